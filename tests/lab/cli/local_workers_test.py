"""Workers that only write down what they were given."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import pytest

import tf_pseudolabel
from tf_pseudolabel.lab.cli import local_workers

ROOT = pathlib.Path(tf_pseudolabel.__file__).parents[1]
WORKER = """
import json, os, pathlib, signal, sys, time
from tf_pseudolabel.lab import children
children.end_with_parent()
config = json.loads(os.environ["TF_CONFIG"])
index = config["task"]["index"]
here = pathlib.Path(os.environ["HERE"])
signals = []
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda n, frame: signals.append(n))
(here / f"{index}.json").write_text(json.dumps([sys.argv[1:], config]))
print("printed by", index, flush=True)
print("error of", index, file=sys.stderr, flush=True)
if "--wait" in sys.argv:
    (here / f"{index}.ready").touch()
    end = time.monotonic() + 20
    while not signals:
        time.sleep(0.01)
        if time.monotonic() > end:
            sys.exit(99)
    time.sleep(0.3)
    (here / f"{index}.signals").write_text(json.dumps(signals))
    sys.exit(128 + signals[0])
status = int(os.environ.get(f"STATUS_{index}", 0))
if status < 0:
    os.kill(os.getpid(), -status)
time.sleep(float(os.environ.get(f"SECONDS_{index}", 0)))
sys.exit(status)
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """What is started instead of Python: a worker that trains nothing."""
    (tmp_path / "worker.py").write_text(WORKER)
    path = tmp_path / "python"
    path.write_text(
        f'#!/bin/sh\nexec {sys.executable} -S {tmp_path}/worker.py "$@"\n'
    )
    path.chmod(0o755)
    monkeypatch.setenv("HERE", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return path


@pytest.fixture
def run(stand_in, monkeypatch):
    def call(*arguments, workers=2):
        monkeypatch.setattr(sys, "argv", ["train", *arguments])
        with monkeypatch.context() as context:
            context.setattr(sys, "executable", str(stand_in))
            return local_workers.run(workers, "out")

    return call


def _given(path, index):
    return json.loads((path / f"{index}.json").read_text())


def test_workers_share_a_cluster_and_differ_in_their_index(run, tmp_path):
    assert run("--epochs=2", workers=3) == 0
    configs = [_given(tmp_path, index)[1] for index in range(3)]
    cluster = configs[0]["cluster"]
    assert list(cluster) == ["worker"]
    assert len(set(cluster["worker"])) == 3
    for index, config in enumerate(configs):
        assert config["cluster"] == cluster
        assert config["task"] == {"type": "worker", "index": index}
    assert not (tmp_path / "3.json").exists()


def test_what_a_failed_worker_leaves_waiting_is_ended(run, monkeypatch):
    monkeypatch.setenv("STATUS_1", "3")
    monkeypatch.setenv("SECONDS_0", "3600")
    monkeypatch.setattr(local_workers, "_PATIENCE", 0.5)
    begun = time.monotonic()
    assert run() == 3
    assert time.monotonic() - begun < 60


def test_workers_get_the_flags_and_the_directory(run, tmp_path):
    run("--epochs", "2", "--data_dir=/local_workers", "--output_dir=other")
    for index in (0, 1):
        arguments, _ = _given(tmp_path, index)
        assert arguments[:2] == ["-m", "tf_pseudolabel.lab.cli.train"]
        assert arguments[2:6] == [
            *("--epochs", "2", "--data_dir=/local_workers"),
            "--output_dir=other",
        ]
        assert arguments[6:] == ["--local_workers=1", "--output_dir=out"]


@pytest.mark.parametrize("how", ["=", " ", "file"])
def test_workers_do_not_start_workers(how, run, tmp_path, exit_status):
    """The flags as the worker itself understands them."""
    from absl import flags

    given = {
        "=": ["--local_workers=2"],
        " ": ["--local_workers", "2"],
        "file": [f"--flagfile={tmp_path}/flags.txt"],
    }[how]
    (tmp_path / "flags.txt").write_text("--local_workers=2\n")
    run("--strategy=multi_worker", *given)
    arguments, _ = _given(tmp_path, 1)
    seen = []

    def main(argv):
        seen.append(
            (argv[1:], flags.FLAGS.local_workers, flags.FLAGS.output_dir)
        )

    exit_status(main, *arguments[2:])
    assert seen == [([], 1, "out")]


def test_the_chief_is_shown_and_of_the_others_errors(run, capfd):
    run()
    out, err = capfd.readouterr()
    assert out == "printed by 0\n"
    assert sorted(err.splitlines()) == ["error of 0", "error of 1"]


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (0, 0, 0),
        (3, 0, 3),
        (0, 4, 4),
        (3, 4, 3),
        (-signal.SIGKILL, 0, 137),
        (0, -signal.SIGKILL, 137),
    ],
)
def test_status_is_that_of_the_first_worker_that_failed(
    first, second, status, run, monkeypatch
):
    monkeypatch.setenv("STATUS_0", str(first))
    monkeypatch.setenv("STATUS_1", str(second))
    assert run() == status


def test_waits_for_all(run, monkeypatch, tmp_path):
    monkeypatch.setenv("STATUS_0", "1")
    monkeypatch.setenv("SECONDS_1", "0.5")
    start = time.monotonic()
    assert run() == 1
    assert time.monotonic() - start > 0.5


def test_handlers_are_put_back(run):
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    run()
    after = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    assert after == before


@contextlib.contextmanager
def _running(stand_in, tmp_path, workers=2):
    """The starter as a process, its workers waiting for a signal."""
    code = f"""
        import signal, sys
        from tf_pseudolabel.lab.cli import local_workers
        # Under nohup it begins ignored.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        sys.executable = {str(stand_in)!r}
        sys.argv = ["train", "--wait"]
        sys.exit(local_workers.run({workers}, "out"))
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=dict(os.environ),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _wait_for(path):
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
)
def test_signals_are_passed_on_once(number, stand_in, tmp_path):
    """As a terminal does on Ctrl-C: to the whole process group."""
    with _running(stand_in, tmp_path) as process:
        for index in (0, 1):
            _wait_for(tmp_path / f"{index}.ready")
        os.killpg(process.pid, number)
        assert process.wait(30) == 128 + number
    for index in (0, 1):
        heard = json.loads((tmp_path / f"{index}.signals").read_text())
        assert heard == [number]


def test_workers_end_with_a_starter_that_is_killed(stand_in, tmp_path):
    with _running(stand_in, tmp_path) as process:
        for index in (0, 1):
            _wait_for(tmp_path / f"{index}.ready")
        process.kill()
        for index in (0, 1):
            _wait_for(tmp_path / f"{index}.signals")
            heard = (tmp_path / f"{index}.signals").read_text()
            assert heard == f"[{int(signal.SIGTERM)}]"


def test_a_signal_while_starting_leaves_no_worker_behind(
    stand_in, tmp_path, run, monkeypatch
):
    """The signal comes when the first worker has been started."""
    start = local_workers._start
    started = []

    def interrupted(*arguments):
        started.append(start(*arguments))
        signal.raise_signal(signal.SIGTERM)
        return started[-1]

    monkeypatch.setattr(local_workers, "_start", interrupted)
    status = run("--wait")
    assert status == 143
    assert len(started) == 1
    assert started[0].poll() is not None


def test_ports_are_free_and_differ():
    ports = local_workers._free_ports(5)
    assert len(set(ports)) == 5
    assert all(1024 <= port < 65536 for port in ports)


def test_two_workers_train(tmp_path):
    """The program itself, with `--local_workers` in two words."""
    out = tmp_path / "run"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tf_pseudolabel.lab.cli.train"),
            *("--local_workers", "2", "--strategy=multi_worker"),
            *("--network=mlp", "--hidden_units=8", "--nobaseline"),
            *("--epochs=2", "--t1=0", "--t2=1", "--num_test=30"),
            *("--labeled_batch=24", "--unlabeled_batch=128"),
            f"--output_dir={out}",
        ],
        capture_output=True,
        text=True,
        timeout=200,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    # From the chief alone.
    assert done.stdout.count("Run directory:") == 1
    assert f"Run directory: {out}" in done.stdout
    assert "This worker is done" not in done.stdout
    metrics = json.loads((out / "metrics.json").read_text())
    # ceil(1047 / 128) updates an epoch.
    assert metrics["pseudo_label"]["updates"] == 2 * 9
