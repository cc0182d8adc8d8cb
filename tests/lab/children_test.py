"""Real processes that sleep: a parent that is killed, and its child."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

import tf_pseudolabel
from tf_pseudolabel.lab import children

ROOT = pathlib.Path(tf_pseudolabel.__file__).parents[1]
CHILD = """
import os, pathlib, signal, sys, time
from tf_pseudolabel.lab import children
children._HAS_PRCTL = {prctl}
here = pathlib.Path(sys.argv[1])
def ask(number, frame):
    (here / "asked").write_text(str(number))
    sys.exit(0)
signal.signal(signal.SIGTERM, ask)
{before}
children.end_with_parent()
(here / "ready").write_text(str(os.getpid()))
time.sleep(60)
"""
PARENT = """
import os, signal, sys, time
from tf_pseudolabel.lab import children
children._HAS_PRCTL = {prctl}
# Under nohup it begins ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
process = children.start([sys.executable, "-c", {child!r}, sys.argv[1]])
(open(sys.argv[1] + "/begun", "w")).write(str(process.pid))
{then}
"""
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def _alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def _wait(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextlib.contextmanager
def _parent(path, prctl, before="", then="time.sleep(60)"):
    child = CHILD.format(prctl=prctl, before=before)
    code = PARENT.format(prctl=prctl, child=child, then=then)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(params=[True, False], ids=["kernel", "pipe"])
def prctl(request):
    if request.param and sys.platform != "linux":
        pytest.skip("the kernel tells children on Linux alone")
    return request.param


def _pid(path, name):
    _wait(lambda: (path / name).exists() and (path / name).read_text())
    return int((path / name).read_text())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_child_ends_with_its_parent(number, prctl, tmp_path):
    with _parent(tmp_path, prctl) as process:
        pid = _pid(tmp_path, "ready")
        process.send_signal(number)
        process.wait()
        _wait(lambda: not _alive(pid))
    # It was asked to, and so could save.
    assert (tmp_path / "asked").read_text() == str(int(signal.SIGTERM))


def test_a_child_ends_with_a_parent_that_just_returns(prctl, tmp_path):
    with _parent(tmp_path, prctl, then="") as process:
        assert process.wait() == 0
        pid = _pid(tmp_path, "begun")
        _wait(lambda: not _alive(pid))


def test_a_parent_that_ends_before_the_child_looks(prctl, tmp_path):
    before = (
        "(here / 'begun').exists() or time.sleep(0.2)\n"
        "while os.getppid() == int(os.environ['TF_PSEUDOLABEL_PARENT']):\n"
        "    time.sleep(0.02)"
    )
    with _parent(tmp_path, prctl, before) as process:
        pid = _pid(tmp_path, "begun")
        process.kill()
        process.wait()
        _wait(lambda: not _alive(pid))
    assert (tmp_path / "asked").exists()


def test_children_live_as_long_as_their_parent(prctl, tmp_path):
    with _parent(tmp_path, prctl):
        pid = _pid(tmp_path, "ready")
        time.sleep(0.5)
        assert _alive(pid)
        assert not (tmp_path / "asked").exists()


def test_grandchildren_are_not_told_of_the_wrong_parent(monkeypatch):
    """What `start` has told a child is no word to those that it starts."""
    monkeypatch.setattr(children, "_HAS_PRCTL", True)
    monkeypatch.setattr(children.ctypes, "CDLL", _NoKernel)
    monkeypatch.setenv("TF_PSEUDOLABEL_PARENT", str(os.getppid()))
    children.end_with_parent()
    assert "TF_PSEUDOLABEL_PARENT" not in os.environ
    children.end_with_parent()


class _NoKernel:
    """This process must not end with the one that runs the tests."""

    def __init__(self, name):
        pass

    def prctl(self, *arguments):
        pass
