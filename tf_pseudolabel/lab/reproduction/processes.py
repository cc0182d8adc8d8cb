"""Runs in processes of their own, by the command that a user would give."""

import os
import signal
import subprocess
import sys
import time

from tf_pseudolabel.lab import children
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.reproduction import rows
from tf_pseudolabel.lab.runs.interruption import Interrupted, Listener


def finish(runs, path, work_dir, measured_on, jobs=1, tell=lambda: None):
    """Runs what is left, and adds its rows to a CSV file, run by run.

    Args:
        runs: List of `Run`.
        path: The CSV file.
        work_dir: Directory of the run directories. What lies there
            half-finished goes on.
        measured_on: `"test"`, or `"validation"`: then test errors are left out.
        jobs: How many runs train side by side, each on its share of the cores.
        tell: Called when a run has its rows.

    Raises:
        InputError: If a run fails.
        Interrupted: If a signal asked the process to end; all is saved.
    """
    waiting, training = list(runs), {}
    listener = Listener()
    with listener.listening():
        try:
            while waiting or training:
                while waiting and len(training) < jobs:
                    run = waiting.pop(0)
                    training[_start(run, work_dir, jobs)] = run
                time.sleep(0.2)
                if listener.received is not None:
                    raise Interrupted(listener.received)
                for process in [p for p in training if p.poll() is not None]:
                    run = training.pop(process)
                    _check(process, run, work_dir)
                    found = rows.of_directory(
                        run, work_dir / run.name, measured_on
                    )
                    rows.append(found, path)
                    left = len(waiting) + len(training)
                    print(f"{_told(run, path)}; {left} to go", flush=True)
                    tell()
        finally:
            for process in training:
                process.send_signal(signal.SIGTERM)
            for process in training:
                process.wait()


def _start(run, work_dir, jobs):
    output_dir = work_dir / run.name
    work_dir.mkdir(parents=True, exist_ok=True)
    threads = str(max(1, os.cpu_count() // jobs))
    with _log(output_dir).open("ab") as log:
        return children.start(
            [
                *(sys.executable, "-m", "tf_pseudolabel.lab.cli.train"),
                *run.flags,
                f"--output_dir={output_dir}",
                *("--nopictures", "--keep_checkpoints=1"),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={
                "TF_NUM_INTRAOP_THREADS": threads,
                "OMP_NUM_THREADS": threads,
                **os.environ,
            },
            # Else a terminal would send Ctrl-C to it as well as to us.
            start_new_session=True,
        )


def _log(output_dir):
    return output_dir.with_name(f"{output_dir.name}.log")


def _check(process, run, work_dir):
    if process.returncode == 0:
        return
    log = _log(work_dir / run.name)
    said = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line for line in reversed(said) if line.strip()), "nothing")
    raise InputError(
        f"bin/train {' '.join(run.flags)} ended with status "
        f"{process.returncode} and said: {last.strip()} (see {log}). What is "
        "finished is kept: mend it, and give the same command again."
    )


def _told(run, path):
    """What a finished run came to, in a line."""
    cell = run.cell
    found = [row for row in rows.read(path) if row["recipe"] == run.fingerprint]
    kind = "test" if found[-1]["test_error_percent"] else "validation"
    errors = " -> ".join(
        f"{float(row[f'{kind}_error_percent']):.2f}" for row in found
    )
    seconds = sum(float(row["train_seconds"]) for row in found)
    variant = f" ({cell.variant})" if cell.variant else ""
    return (
        f"{cell.method}{variant}, {cell.labels} labels, seed "
        f"{run.recipe.seed}: {kind} error {errors} % in {seconds:.0f} s"
    )
