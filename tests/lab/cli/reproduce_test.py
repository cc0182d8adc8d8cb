import os
import pathlib
import subprocess
import sys

import pytest

import tf_pseudolabel
from tf_pseudolabel.lab.reproduction.plans import PLANS

ROOT = pathlib.Path(tf_pseudolabel.__file__).parents[1]


def _run(*arguments, **kwargs):
    return subprocess.run(
        [sys.executable, "-m", "tf_pseudolabel.lab.cli.reproduce", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **kwargs,
    )


def test_help_names_every_table():
    result = _run("--help")

    assert result.returncode == 0
    for name in PLANS:
        assert f"\n  {name}" in result.stdout
    for flag in (
        "what",
        "methods",
        "seeds",
        "[no]quick",
        "jobs",
        "docs",
        "work_dir",
    ):
        assert f"--{flag}\n" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--what is one of lee2013_table, "),
        (["--what=table_3"], "value should be one of <lee2013_table|"),
        (["--what=lee2013_table", "more"], "takes flags only; got 'more'"),
        (["--what=all", "--seeds=3"], "--what=all makes every table as it is"),
        (["--what=lee2013_table", "--jobs=999"], "must not exceed the cores"),
        (
            ["--what=lee2013_table", "--seeds=0"],
            "flag --seeds=0: 0 is not a positive",
        ),
    ],
)
def test_wrong_flags_are_one_line(arguments, message, tmp_path):
    result = _run(*arguments, cwd=tmp_path)

    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []
