"""Times the weak and the strong view of a batch of images, on one core.

    taskset -c 0 .venv/bin/python benchmarks/views.py --output=views.json

448 images, as FixMatch has at once: 28 x 28 grey, 32 x 32 in colours, as bytes
and as floats. `tf.data` makes such views while the network trains.
"""

import os
import time

from absl import app, flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import numpy as np
import tensorflow as tf
import timing

import tf_pseudolabel as tpl

ROWS = 448
SHAPES = {"28 x 28": (28, 28, 1), "32 x 32 x 3": (32, 32, 3)}
DTYPES = ("uint8", "float32")


def of_batch(side, shape, dtype):
    """Makes a function from an update's number to its view of the batch."""
    views = tpl.views.images(shape[:2], flip=shape[-1] == 3, max_value=255)
    x = np.random.default_rng(0).integers(0, 256, (ROWS, *shape))
    x = tf.constant(x, dtype)

    @tf.function
    def view(update):
        draws = tpl.views.Draws([1, 0], update, 0, ROWS, ROWS)
        return getattr(views, side)(x, draws)

    return view


def time_of(view):
    """Makes a function that returns the milliseconds of one more view."""
    updates = iter(tf.range(10**6))
    view(next(updates))

    def milliseconds():
        update = next(updates)
        start = time.perf_counter()
        view(update).numpy()
        return 1000 * (time.perf_counter() - start)

    return milliseconds


def main(_):
    """Takes turns and prints."""
    times = timing.take_turns(
        {
            f"{side}, {name}, {dtype}": time_of(of_batch(side, shape, dtype))
            for side in ("weak", "strong")
            for name, shape in SHAPES.items()
            for dtype in DTYPES
        },
        flags.FLAGS.rounds,
    )
    figures = [
        timing.figure(name, "ms", found) for name, found in times.items()
    ]
    timing.report("views", figures, flags.FLAGS.output)


if __name__ == "__main__":
    # Here, as tests import this beside programs with flags of their own.
    flags.DEFINE_string("output", None, "JSON file to write")
    flags.DEFINE_integer("rounds", 25, "turns; the figures are their medians")
    app.run(main)
