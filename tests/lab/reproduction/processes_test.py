import json
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

import tf_pseudolabel
from tf_pseudolabel.lab import children
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.reproduction import processes, rows, runs
from tf_pseudolabel.lab.runs.interruption import Interrupted

# A program in the place of bin/train.
_CHILD = """
import json, pathlib, signal, sys, time
flags = dict(f[2:].partition("=")[::2] for f in sys.argv[1:])
path = pathlib.Path(flags["output_dir"])
path.mkdir(parents=True, exist_ok=True)
{body}
(path / "recipe.json").write_text("{{}}")
(path / "metrics.json").write_text('''{metrics}''')
"""


@pytest.fixture(name="with_child")
def fixture_with_child(monkeypatch, metrics):
    """Puts a program in the place of bin/train, which does what it is told."""
    real = children.subprocess.Popen

    def with_child(body=""):
        program = _CHILD.format(body=body, metrics=json.dumps(metrics()))

        def start(command, **kwargs):
            if command[0] == "git":
                return real(command, **kwargs)
            named = [sys.executable, "-m", "tf_pseudolabel.lab.cli.train"]
            assert command[:3] == named
            return real([sys.executable, "-c", program, *command[3:]], **kwargs)

        monkeypatch.setattr(children.subprocess, "Popen", start)

    return with_child


@pytest.mark.parametrize("jobs", [1, 3])
def test_all_runs_leave_rows(with_child, tmp_path, capsys, jobs, plan):
    with_child()
    found = runs.of_plan(plan(seeds=2))
    path = tmp_path / "runs.csv"

    told = []

    def tell():
        told.append(len(rows.read(path)))

    processes.finish(found, path, tmp_path / "work", "test", jobs, tell)

    assert told == [1, 2, 3]
    assert rows.unfinished(found, rows.read(path)) == []
    said = capsys.readouterr().out.splitlines()
    assert said[-1].endswith("test error 12.50 % in 4 s; 0 to go")


def test_a_run_that_fails_says_why_and_others_stay(with_child, tmp_path, plan):
    body = "if 'seed' in flags: sys.exit('train: the disk is full')"
    with_child(body)
    found = runs.of_plan(plan(seeds=2))
    path = tmp_path / "runs.csv"

    with pytest.raises(InputError, match="status 1 and said: train: the disk"):
        processes.finish(found, path, tmp_path / "work", "test")

    assert rows.unfinished(found, rows.read(path)) == found[2:]


def test_a_signal_is_passed_on_and_waited_for(with_child, tmp_path, plan):
    """The child saves, and takes its time."""
    with_child(
        "def save(*_):\n"
        "    time.sleep(0.5)\n"
        "    (path / 'saved').touch()\n"
        "    sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "(path / 'begun').touch()\n"
        "time.sleep(60)",
    )
    found = runs.of_plan(plan(seeds=1))
    work = tmp_path / "work"

    def interrupt():
        while not list(work.glob("*/begun")):
            time.sleep(0.05)
        signal.raise_signal(signal.SIGTERM)

    threading.Thread(target=interrupt).start()
    with pytest.raises(Interrupted):
        processes.finish(found, tmp_path / "runs.csv", work, "test")

    assert len(list(work.glob("*/saved"))) == 1
    assert not pathlib.Path(tmp_path / "runs.csv").exists()


STARTER = """
import pathlib, sys
from tf_pseudolabel.lab.recipes import RECIPES
from tf_pseudolabel.lab.reproduction import processes, runs
from tf_pseudolabel.lab.reproduction.plan import Cell
recipe = RECIPES["digits_conv"]
here = pathlib.Path(sys.argv[1])
sys.executable = str(here / "python")
found = [runs.Run(Cell("", recipe), recipe)]
processes.finish(found, here / "runs.csv", here / "work", "test")
"""
SLEEPER = """
import os, pathlib, time
from tf_pseudolabel.lab import children
children.end_with_parent()
pathlib.Path({path!r}).write_text(str(os.getpid()))
time.sleep(60)
"""


def test_a_run_ends_with_the_program_that_is_killed(tmp_path, monkeypatch):
    """Real processes: neither can do anything about SIGKILL."""
    root = pathlib.Path(tf_pseudolabel.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", str(root))
    begun = tmp_path / "begun"
    (tmp_path / "child.py").write_text(SLEEPER.format(path=str(begun)))
    (tmp_path / "python").write_text(
        f"#!/bin/sh\nexec {sys.executable} {tmp_path}/child.py\n"
    )
    (tmp_path / "python").chmod(0o755)
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)]
    ) as starter:
        end = time.monotonic() + 20
        while not begun.exists() or not begun.read_text():
            assert time.monotonic() < end
            time.sleep(0.02)
        starter.kill()
    child = pathlib.Path("/proc", begun.read_text(), "stat")
    while child.exists() and child.read_text().split()[2] != "Z":
        assert time.monotonic() < end
        time.sleep(0.02)
