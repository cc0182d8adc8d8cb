"""Kills runs at random moments and compares where they end.

    .venv/bin/python benchmarks/soak_resume.py --kills=50

One run is left alone. Others get the same command, are killed at random times
(SIGKILL, or now and then SIGTERM), and are given the command again until they
are finished. Weights, history.csv and metrics.json (but for the seconds) must
be those of the run that was left alone, bit for bit. Exit status 1 if not.
"""

import argparse
import itertools
import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import keras
import numpy as np

FLAGS = (
    "--num_labeled=50",
    "--num_unlabeled=600",
    "--epochs=30",
    "--labeled_epochs=5",
    "--t1=5",
    "--t2=20",
    "--momentum=0.9",
    "--optimizer=sgd",
    "--learning_rate=0.05",
    # As good as after every batch.
    "--checkpoint_minutes=0.002",
)
SAVED = ("classifier.keras", "checkpoints/supervised.keras")


def start(output_dir, flags, log):
    """Starts bin/train's program.

    Args:
        output_dir: Run directory.
        flags: List of further flags.
        log: Open file for what it prints.

    Returns:
        A `subprocess.Popen`.
    """
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "tf_pseudolabel.lab.cli.train"),
            *(*FLAGS, *flags, f"--output_dir={output_dir}"),
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
    )


def run_with_kills(output_dir, flags, kills, longest, draw, log):
    """Starts a run again and again, until it is finished.

    Args:
        output_dir: Run directory.
        flags: List of further flags.
        kills: Most kills.
        longest: Seconds after which at the latest it is killed.
        draw: A `random.Random`.
        log: Open file for what the processes print.

    Returns:
        How often the run was killed.
    """
    for killed in itertools.count():
        process = start(output_dir, flags, log)
        try:
            process.wait(draw.uniform(0, longest) if killed < kills else None)
        except subprocess.TimeoutExpired:
            process.send_signal(
                draw.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
            )
            process.wait()
        if process.returncode == 0:
            return killed
        if process.returncode not in (
            -signal.SIGKILL,
            -signal.SIGTERM,
            128 + signal.SIGTERM,
        ):
            raise SystemExit(f"Ended with status {process.returncode}.")


def differences(run, other):
    """What two run directories do not have in common.

    Args:
        run: Path of a finished run.
        other: Path of another.

    Returns:
        A list of names.
    """
    found = []
    for name in SAVED:
        pair = [
            keras.saving.load_model(path / name).get_weights()
            for path in (run, other)
        ]
        if not all(map(np.array_equal, *pair)):
            found.append(name)
    if len({(path / "history.csv").read_bytes() for path in (run, other)}) > 1:
        found.append("history.csv")
    metrics = [
        json.loads((path / "metrics.json").read_text()) for path in (run, other)
    ]
    for arm in (*metrics[0].values(), *metrics[1].values()):
        del arm["train_seconds"]
    if metrics[0] != metrics[1]:
        found.append("metrics.json")
    return found


def main():
    """Runs, kills, compares, and prints what came out."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--kills_per_run", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", default=None, help="what the runs print")
    arguments, flags = parser.parse_known_args()
    draw = random.Random(arguments.seed)
    runs = pathlib.Path(tempfile.mkdtemp(prefix="soak-"))
    with open(arguments.log or runs / "log", "w") as log:
        begun = time.monotonic()
        if start(runs / "alone", flags, log).wait():
            raise SystemExit(f"The run left alone failed; see {log.name}.")
        longest = 0.7 * (time.monotonic() - begun)
        killed = 0
        for number in itertools.count():
            if killed >= arguments.kills:
                break
            run = runs / f"killed-{number}"
            most = min(arguments.kills_per_run, arguments.kills - killed)
            times = run_with_kills(run, flags, most, longest, draw, log)
            killed += times
            wrong = differences(runs / "alone", run)
            print(
                f"{run.name}: {times} kills, "
                f"{'differs in ' + ', '.join(wrong) if wrong else 'the same'}",
                flush=True,
            )
            if wrong:
                raise SystemExit(f"The runs are in {runs}.")


if __name__ == "__main__":
    main()
