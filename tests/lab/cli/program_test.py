import os
import pathlib
import signal
import subprocess
import sys

import pytest
from absl import app, logging

import tf_pseudolabel
from tf_pseudolabel.lab.cli import program
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs.interruption import Interrupted

PACKAGE = pathlib.Path(tf_pseudolabel.__file__).parent


def _python(code, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent), **environment},
    )


def test_status_is_what_main_returns(exit_status):
    assert exit_status(lambda argv: None) == 0
    assert exit_status(lambda argv: 3) == 3


@pytest.mark.parametrize(("users", "expected"), [(None, "1"), ("0", "0")])
def test_onednn_is_on_unless_the_user_says_otherwise(
    users, expected, exit_status, monkeypatch
):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", users or "")
    if users is None:
        monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    seen = []

    exit_status(lambda argv: seen.append(os.environ["TF_ENABLE_ONEDNN_OPTS"]))

    assert seen == [expected]


def test_main_gets_what_is_no_flag(exit_status):
    seen = []
    exit_status(seen.extend, "a", "--seed=3", "b")
    assert seen == ["program", "a", "b"]


@pytest.mark.parametrize(
    ("error", "status"), [(InputError, 1), (app.UsageError, 2)]
)
def test_errors_for_users_are_one_line(error, status, exit_status, capsys):
    def main(argv):
        raise error("the rule;\n  the value")

    assert exit_status(main) == status
    assert capsys.readouterr().err == "program: the rule; the value\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_run_is_one_line(number, exit_status, capsys):
    def main(argv):
        raise Interrupted(number)

    assert exit_status(main) == 128 + number
    assert capsys.readouterr().err == (
        f"program: interrupted by {number.name}; all is saved, and the same "
        "command goes on from here\n"
    )


def test_ctrl_c_where_nothing_is_saved_is_one_line(exit_status, capsys):
    def main(argv):
        # Jobs in the background ignore the signal itself.
        raise KeyboardInterrupt

    assert exit_status(main) == 130
    assert capsys.readouterr().err == "program: interrupted\n"


def test_a_bug_keeps_its_traceback(exit_status):
    def main(argv):
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match=r"a bug"):
        exit_status(main)


@pytest.mark.parametrize(
    ("arguments", "level"),
    [
        ([], logging.ERROR),
        (["--verbosity=0"], logging.INFO),
        (["--verbosity=-1"], logging.WARNING),
        (["-v=1"], logging.DEBUG),
    ],
)
def test_verbosity_is_the_users(arguments, level, exit_status):
    seen = []
    exit_status(lambda argv: seen.append(logging.get_verbosity()), *arguments)
    assert seen == [level]


@pytest.mark.parametrize("flag", ["--help", "-h", "-help"])
def test_help_comes_before_anything_else(flag, exit_status, capsys):
    def main(argv):
        pytest.fail("main ran")

    assert exit_status(main, "--no_such_flag", flag) == 0
    assert capsys.readouterr().out.startswith("help\n  --")


def test_load_gives_the_module():
    assert program.load("tf_pseudolabel.lab.errors").InputError is InputError


def test_what_is_loaded_is_not_looked_through_for_garbage():
    code = (
        "import gc\n"
        "from tf_pseudolabel.lab.cli import program\n"
        "counts = [gc.get_freeze_count()]\n"
        "for _ in range(2):\n"
        "    program.load('tf_pseudolabel.lab.json_file')\n"
        "    counts.append(gc.get_freeze_count())\n"
        "    made = [[] for _ in range(1000)]  # Not to be kept for ever.\n"
        "print(*counts)\n"
    )
    before, once, twice = map(int, _python(code).stdout.split())
    assert before == 0 < once
    assert twice <= once


@pytest.mark.parametrize("package", ["bokeh", "matplotlib", "scipy", "sklearn"])
def test_load_names_what_is_missing(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        InputError, match=rf'missing: {package}\. Run .*"tf_pseudolabel\[prog'
    ):
        program.load("tf_pseudolabel.lab.errors")


def test_missing_packages_end_with_one_line():
    code = (
        "import sys; sys.modules['sklearn'] = sys.modules['scipy'] = None;"
        "from tf_pseudolabel.lab.cli import train; train.run()"
    )
    done = _python(code)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert 'scipy, sklearn. Run pip install "tf_pseudolabel[' in done.stderr
