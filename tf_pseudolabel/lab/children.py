"""Programs started by another one, which end when that one does."""

import ctypes
import functools
import os
import signal
import subprocess
import sys
import threading

# Environment variables of a child: the process that started it, and, where the
# kernel does not watch over it, a pipe that ends with that process.
_PARENT = "TF_PSEUDOLABEL_PARENT"
_LIFELINE = "TF_PSEUDOLABEL_LIFELINE"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_HAS_PRCTL = sys.platform == "linux"


def start(command, env=None, **options):
    """Starts a program of this package that ends when this process does.

    However this process ends, the child is sent SIGTERM, which it hears like
    any other: a training is saved first. Linux sends it when the calling
    thread ends: call this from one that lives as long as the process.

    Args:
        command: A list of strings; it must come to `end_with_parent`, which
            `program.run` calls.
        env: Dict: the environment. Defaults to that of this process.
        **options: As for `subprocess.Popen`.

    Returns:
        A `subprocess.Popen`.
    """
    env = {**(os.environ if env is None else env), _PARENT: str(os.getpid())}
    if not _HAS_PRCTL:
        lifeline, _ = _pipe()
        env[_LIFELINE] = str(lifeline)
        options["pass_fds"] = [lifeline]
    return subprocess.Popen(command, env=env, **options)


def end_with_parent():
    """Sees to it that this process ends when the one that started it does.

    A process that `start` has not started goes on as it is.
    """
    parent = os.environ.pop(_PARENT, None)
    lifeline = os.environ.pop(_LIFELINE, None)
    if parent is None:
        return
    if lifeline is not None:
        threading.Thread(
            target=_end_after, args=[int(lifeline)], daemon=True
        ).start()
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # It may have ended before that, and then nobody says so any more.
    if os.getppid() != int(parent):
        _end()


@functools.cache
def _pipe():
    """One pipe for all children; its writing end, ours alone, stays open."""
    return os.pipe()


def _end_after(lifeline):
    """Waits until nobody holds the other end."""
    while os.read(lifeline, 1):
        pass
    _end()


def _end():
    os.kill(os.getpid(), signal.SIGTERM)
