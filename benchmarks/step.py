"""Times an update under `fit` beside what else could make it.

    .venv/bin/python benchmarks/step.py --output=step.json

Networks `conv` and `mlp`, both teachers, random images. Beside `fit`, in turns
with it: the same arithmetic in a bare `tf.function`; the same step in PyTorch,
where it is installed (eager, eager with `channels_last`, compiled); and the
step's operations at the rate of a large matrix product.
"""

import contextlib
import importlib.util
import itertools
import os
import pathlib
import subprocess
import sys
import time

from absl import app, flags

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import arithmetic
import bare
import subjects
import timing

flags.DEFINE_string("output", None, "JSON file to write")
flags.DEFINE_integer("rounds", 7, "turns; the figures are their medians")
flags.DEFINE_integer("steps", 60, "updates per turn")
flags.DEFINE_list("networks", ["conv", "mlp"], "which networks")
flags.DEFINE_bool("pytorch", True, "whether PyTorch takes part, if it is there")

PYTORCH = ("eager", "channels_last", "compiled")


def of_bare_function(setting, steps):
    """Makes a function that returns the time of an update without a trainer."""
    classifier, loss, optimizer = subjects.parts(setting.network)
    optimizer.build(classifier.trainable_weights)
    step = bare.make_step(classifier, loss, optimizer, setting.teacher)
    data = subjects.merged_stream(setting.rows)

    def measure():
        batches = iter(data)
        for batch in itertools.islice(batches, steps):
            step(*batch)
        start = time.perf_counter()
        for batch in itertools.islice(batches, steps):
            value = step(*batch)
        value.numpy()
        return (time.perf_counter() - start) / steps

    return measure


@contextlib.contextmanager
def of_pytorch(setting, steps, way):
    """A process; gives a function that returns the time of an update there."""
    command = [
        *(sys.executable, pathlib.Path(__file__).with_name("pytorch.py")),
        *(setting.network, str(setting.rows), str(subjects.ROWS_U)),
        *(setting.teacher, way),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def measure():
            process.stdin.write(f"{steps}\n")
            process.stdin.flush()
            return float(process.stdout.readline()) / steps

        measure()  # Compiles.
        yield measure


def measured(setting, rounds, steps, with_pytorch):
    """The figures of a setting."""
    contenders = {
        "fit": subjects.time_of_fit(
            subjects.pseudo_label_model(setting),
            subjects.merged_stream(setting.rows),
            steps,
        ),
        "bare tf.function": of_bare_function(setting, steps),
    }
    with contextlib.ExitStack() as processes:
        for way in PYTORCH if with_pytorch else ():
            contenders[f"PyTorch {way}"] = processes.enter_context(
                of_pytorch(setting, steps, way)
            )
        times = timing.take_turns(contenders, rounds)
    classifier, *_ = subjects.parts(setting.network)
    operations = arithmetic.update(
        classifier, setting.rows, subjects.ROWS_U, setting.teacher
    )
    times["limit"] = [operations / arithmetic.rate() for _ in range(rounds)]
    return [
        line
        for name, values in times.items()
        for line in _lines(f"{setting}: {name}", values, times["fit"])
    ]


def _lines(name, values, of_fit):
    images = [subjects.ROWS_U / value for value in values]
    lines = [timing.figure(name, "images/s", images, better="higher")]
    if values is not of_fit:
        lines.append(
            timing.figure(
                f"{name} / fit",
                "x time",
                timing.ratios(values, of_fit),
                better="higher",
            )
        )
    return lines


def main(_):
    """Measures every setting."""
    with_pytorch = flags.FLAGS.pytorch
    if with_pytorch and importlib.util.find_spec("torch") is None:
        print("PyTorch is not installed, and left out: pip install torch")
        with_pytorch = False
    figures = []
    for setting in subjects.SETTINGS:
        if setting.network in flags.FLAGS.networks:
            figures += measured(
                setting, flags.FLAGS.rounds, flags.FLAGS.steps, with_pytorch
            )
    timing.report("step", figures, flags.FLAGS.output)


if __name__ == "__main__":
    app.run(main)
