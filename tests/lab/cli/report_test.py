import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

import tf_pseudolabel
from tf_pseudolabel.lab.cli import report


@pytest.fixture
def status(status_of):
    return status_of(report)


def test_a_page_beside_the_run(finished_run, status, capsys, tmp_path):
    path = shutil.copytree(finished_run, tmp_path / "run")
    assert status(path) == 0
    page = path / "report.html"
    assert capsys.readouterr().out == f"Report: {page}\n"
    text = page.read_text(encoding="utf-8")
    assert "Pseudo-Label run run" in text
    assert len(text) < 5_000_000


def test_several_runs_on_one_page(finished_run, status, tmp_path):
    other = shutil.copytree(finished_run, tmp_path / "other")
    (other / "report.html").write_text("as it was")
    page = tmp_path / "page.html"
    assert status(finished_run, other, f"--output={page}") == 0
    assert "2 runs compared" in page.read_text(encoding="utf-8")
    assert (other / "report.html").read_text() == "as it was"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "got none. Usage"),
        (["a", "b"], "--output must name the page of several runs; got 2"),
    ],
)
def test_wrong_arguments(arguments, message, status, capsys):
    assert status(*arguments) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert message in err


def test_not_a_run_directory(status, capsys, tmp_path):
    assert status(tmp_path) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "holds metrics.json" in err
    assert not list(tmp_path.iterdir())


def test_a_directory_is_not_replaced_by_a_page(finished_run, status, capsys):
    assert status(finished_run, f"--output={finished_run}") == 1
    assert "got the directory" in capsys.readouterr().err
    assert (finished_run / "metrics.json").exists()


def test_help_comes_at_once():
    package = pathlib.Path(tf_pseudolabel.__file__).parent
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tf_pseudolabel.lab.cli.report", "--help"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(package.parent)},
    )
    # TensorFlow alone takes longer to import.
    assert time.monotonic() - started < 2
    assert done.returncode == 0
    assert "bin/report RUN_DIR..." in done.stdout
    assert "--output\n" in done.stdout
