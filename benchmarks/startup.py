"""How long it takes until something happens.

    .venv/bin/python benchmarks/startup.py --output=startup.json

Whole processes, in turns: `--help` of a program; Python with TensorFlow and
with the package on top; and all that lies before the end of the first update.
"""

import os
import pathlib
import subprocess
import sys
import time

import timing
from absl import app, flags

flags.DEFINE_string("output", None, "JSON file to write")
flags.DEFINE_integer("rounds", 7, "turns; the figures are their medians")

FIRST_UPDATE = """
import subjects
setting = subjects.SETTINGS[0]
model = subjects.pseudo_label_model(setting)
stream = subjects.stream_of(setting)
model.fit(stream, steps_per_epoch=1, verbose=0)
"""
COMMANDS = {
    "train --help": ["-m", "tf_pseudolabel.lab.cli.train", "--help"],
    "import tensorflow": ["-c", "import tensorflow"],
    "import tf_pseudolabel": ["-c", "import tensorflow, tf_pseudolabel"],
    "first update": ["-c", FIRST_UPDATE],
}


def seconds(arguments):
    """How long a Python process takes, from its start to its end."""
    benchmarks = pathlib.Path(__file__).parent
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Where `subjects` is found.
        cwd=benchmarks,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True,
    )
    return time.perf_counter() - start


def main(_):
    """Measures every command."""
    times = timing.take_turns(
        {
            name: (lambda arguments=arguments: seconds(arguments))
            for name, arguments in COMMANDS.items()
        },
        flags.FLAGS.rounds,
    )
    figures = [
        timing.figure(name, "s", values) for name, values in times.items()
    ]
    added = [
        with_package - without
        for with_package, without in zip(
            times["import tf_pseudolabel"],
            times["import tensorflow"],
            strict=True,
        )
    ]
    figures.append(timing.figure("the package adds", "s", added, better=None))
    timing.report("startup", figures, flags.FLAGS.output)


if __name__ == "__main__":
    app.run(main)
