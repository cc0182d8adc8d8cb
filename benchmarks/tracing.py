"""Counts what an update calls, and times what tracing a tiny `fit` takes.

    .venv/bin/python benchmarks/tracing.py --output=tracing.json

How often one eager update crosses from one file of the package to another; and
the CPU seconds of `fit` on one batch, model and compilation included, which are
those of tracing, beside a `fit` of the bare classifier in Keras, in turns. For
several compositions of the parts, and for unlabeled updates of alternating
streams.
"""

import os
import pathlib
import sys
import time

from absl import app, flags

# What is timed are Python and the graph, on any machine.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
import timing

import tf_pseudolabel as tpl
from tf_pseudolabel.update.dispatch import BOTH, Trains

ROWS, CLASSES = 8, 3
PACKAGE = pathlib.Path(tpl.__file__).parent


def default():
    """The parts of Lee's method."""
    return {}


def composed():
    """A teacher and a selection with a state, and two more terms."""
    return {
        "teacher": "lagged",
        "selection": tpl.Threshold(0.5),
        "terms": [tpl.ClassPrior(), tpl.MinimumEntropy()],
    }


# By name: the parts, how streams are put together, and what an update that is
# counted trains on.
COMPOSITIONS = {
    "default": (default, tpl.merge_streams, BOTH),
    "threshold, lagged, terms": (composed, tpl.merge_streams, BOTH),
    "alternating": (default, tpl.alternate_streams, Trains(False, True)),
}


def streams():
    """A labeled and an unlabeled batch, each a stream."""
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, 4)).astype("float32")
    y = random.integers(0, CLASSES, ROWS)
    labeled, unlabeled = map(
        tf.data.Dataset.from_tensor_slices, ((x, y), x[::-1])
    )
    return labeled.batch(ROWS), unlabeled.batch(ROWS)


def compiled(wrap=lambda classifier: classifier, **options):
    """A tiny classifier, wrapped and compiled."""
    model = wrap(
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(CLASSES)])
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, metrics=["accuracy"], **options)
    return model


def fitted(parts, together, **options):
    """A model of some parts after a `fit` with pseudo-labels."""
    model = compiled(
        lambda classifier: tpl.PseudoLabelModel(classifier, **parts()),
        **options,
    )
    scheduler = tpl.AlphaScheduler(tpl.Constant(1.0))
    model.fit(together(*streams()), verbose=0, callbacks=[scheduler])
    return model


def crossings(function, root=PACKAGE):
    """Counts how often a call goes from file to file.

    Args:
        function: Called without arguments.
        root: Directory of the files that are looked at.

    Returns:
        Two ints: steps from one file under `root` to another, forth and back,
        whatever lies between; and the number of files.
    """
    visited = []

    def look(frame, event, _):
        places = {"call": frame, "return": frame.f_back}
        place = places.get(event)
        name = place.f_code.co_filename if place else ""
        is_inside = name.startswith(f"{root}{os.sep}")
        if is_inside and name not in visited[-1:]:
            visited.append(name)

    sys.setprofile(look)
    try:
        function()
    finally:
        sys.setprofile(None)
    return max(len(visited) - 1, 0), len(set(visited))


def crossings_of_update(parts, together, trains):
    """Those of one eager update."""
    model = fitted(parts, together, run_eagerly=True)
    model.trains = trains
    *_, batch = together(*streams())
    model.train_step(batch)  # Parts may do more in their first one.
    return crossings(lambda: model.train_step(batch))


def cpu_seconds(function):
    """Makes a function that returns the CPU seconds of a call."""

    def measure():
        start = time.process_time()
        function()
        return time.process_time() - start

    function()  # Imports what it needs.
    return measure


def main(_):
    """Counts, takes turns and prints."""
    contenders = {
        "Keras": lambda: compiled().fit(streams()[0], verbose=0, shuffle=False),
        **{
            name: lambda parts=parts, together=together: fitted(parts, together)
            for name, (parts, together, _) in COMPOSITIONS.items()
        },
    }
    times = timing.take_turns(
        {name: cpu_seconds(fit) for name, fit in contenders.items()},
        flags.FLAGS.rounds,
    )
    figures = [
        timing.figure(f"{name}: tiny fit", "CPU s", values, better=None)
        for name, values in times.items()
    ]
    for name, composition in COMPOSITIONS.items():
        ratios = timing.ratios(times[name], times["Keras"])
        count, files = crossings_of_update(*composition)
        figures += [
            timing.figure(f"{name}: tiny fit / Keras", "x", ratios),
            timing.figure(f"{name}: an update", "crossings", [count]),
            timing.figure(f"{name}: an update's", "files", [files]),
        ]
    timing.report("tracing", figures, flags.FLAGS.output)


if __name__ == "__main__":
    # Here, as tests import this beside programs with flags of their own.
    flags.DEFINE_string("output", None, "JSON file to write")
    flags.DEFINE_integer("rounds", 7, "turns; the figures are their medians")
    app.run(main)
