"""Times an update under `fit` beside what else could make it.

    .venv/bin/python benchmarks/step.py --output=step.json

Networks `conv` and `mlp`, both teachers, digits in the size of MNIST's; and
MobileNetV3Small on 96 x 96 pixels in color. Beside
`fit`, in turns with it: the same arithmetic in a bare `tf.function`, and that
function in the loop of Keras' `fit`; the same step in PyTorch, where it is
installed (eager, eager with `channels_last`, compiled); and the step's
operations at the rate of a large matrix product.
"""

import contextlib
import functools
import itertools
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
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
flags.DEFINE_list(
    "networks", ["conv", "mlp", subjects.PHOTOS], "which networks"
)
flags.DEFINE_bool("pytorch", True, "whether PyTorch takes part, if it is there")

PYTORCH = ("eager", "channels_last", "compiled")


def of_bare_function(setting, steps):
    """Makes a function that returns the time of an update without a trainer."""
    _, step = subjects.bare_step(setting)
    data = subjects.stream_of(setting)

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


def of_bare_function_under_fit(setting, steps):
    """The same of the bare function in Keras' loop."""
    _, step = subjects.bare_step(setting)
    model = bare.Looped(step)
    model.compile()
    return subjects.time_of_fit(model, subjects.stream_of(setting), steps)


@contextlib.contextmanager
def of_pytorch(setting, steps, way, images):
    """A process; gives a function that returns the time of an update there."""
    command = [
        *(sys.executable, pathlib.Path(__file__).with_name("pytorch.py")),
        *(images, setting.network, str(setting.rows), str(setting.rows_u)),
        *(setting.teacher, setting.batch_norm, way),
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


@functools.cache
def images_for_pytorch(network):
    """A file with a network's images; it goes with this process."""
    directory = tempfile.TemporaryDirectory()
    path = pathlib.Path(directory.name, "images.npz")
    x, y, x_u = subjects.examples_of(network)
    np.savez(path, x=x, y=y, x_u=x_u)
    return path, directory


def measured(setting, rounds, steps, with_pytorch):
    """The figures of a setting."""
    classifier, *_ = subjects.parts(setting.network)
    operations = arithmetic.update(
        classifier, setting.rows, setting.rows_u, setting.teacher
    )
    contenders = {
        "fit": subjects.time_of_fit(
            subjects.pseudo_label_model(setting),
            subjects.stream_of(setting),
            steps,
        ),
        "bare tf.function": of_bare_function(setting, steps),
        "bare under fit": of_bare_function_under_fit(setting, steps),
        "limit": lambda: operations / arithmetic.rate(),
    }
    with contextlib.ExitStack() as processes:
        for way in PYTORCH if with_pytorch else ():
            contenders[f"PyTorch {way}"] = processes.enter_context(
                of_pytorch(
                    setting, steps, way, images_for_pytorch(setting.network)[0]
                )
            )
        times = timing.take_turns(contenders, rounds)
    rates = [operations / seconds / 1e9 for seconds in times["limit"]]
    return [
        timing.figure(f"{setting}: products", "GFLOP/s", rates, better=None),
        *(
            line
            for name, values in times.items()
            for line in _lines(setting, name, values, times["fit"])
        ),
    ]


def _lines(setting, name, values, of_fit):
    name = f"{setting}: {name}"
    images = [setting.rows_u / value for value in values]
    # Of a day and a machine; what is judged is who takes how much longer.
    lines = [timing.figure(name, "images/s", images, better=None)]
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
    with_pytorch = flags.FLAGS.pytorch and timing.pytorch_is_there()
    with_photos = with_pytorch and timing.pytorch_is_there("torchvision")
    figures = []
    for setting in subjects.SETTINGS:
        if setting.network in flags.FLAGS.networks:
            beside = (
                with_photos
                if setting.network == subjects.PHOTOS
                else with_pytorch
            )
            figures += measured(
                setting, flags.FLAGS.rounds, flags.FLAGS.steps, beside
            )
    timing.report("step", figures, flags.FLAGS.output)


if __name__ == "__main__":
    app.run(main)
