"""Times an update of every preset beside a supervised one, in turns.

    .venv/bin/python benchmarks/presets.py --output=presets.json

The network `strided_conv` on 32 labeled and 128 unlabeled images, where each
has two copies 64; views included, as `fit` makes them; alpha at its final
value.
"""

import inspect
import os

from absl import app, flags

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import subjects
import tensorflow as tf
import timing

import tf_pseudolabel as tpl
from tf_pseudolabel.lab import networks

ROWS, ROWS_U, CLASSES = 32, 128, 10
EPOCHS = 100
# `vat` moves pixels by fractions.
SPEC = tf.TensorSpec((28, 28, 1), tf.float32)


def classifier():
    """The network, with the same weights at every call."""
    keras.utils.set_random_seed(0)
    return networks.build("strided_conv", SPEC, CLASSES)


def compiled(model):
    """A model, compiled for labels of one float per class."""
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile("adamw", loss, metrics=["accuracy"])
    return model


def model_of(preset):
    """A model of a preset's parts, and how many views each row has."""
    asked = inspect.signature(preset).parameters
    given = {"rows": len(subjects.examples()[2])} if "rows" in asked else {}
    made = preset(epochs=EPOCHS, **given)
    copies = 1
    if made.views is not None:
        copies = made.views.get("copies", 1)
        views = tpl.views.images(SPEC.shape[:2], **made.views)
        made = preset(epochs=EPOCHS, views=views, **given)
    model = compiled(tpl.PseudoLabelModel(classifier(), **made.model))
    model.alpha.assign(made.schedule(EPOCHS))
    return model, copies


def supervised_stream():
    """Labeled images, without end, with one float per class."""
    return subjects.labeled_stream(ROWS).map(
        lambda x, y: (tf.cast(x, tf.float32), tf.one_hot(y, CLASSES))
    )


def merged_stream(rows):
    """The same, and numbered unlabeled images."""
    *_, x_u = subjects.examples()
    unlabeled = tf.data.Dataset.from_tensor_slices(x_u).enumerate()
    unlabeled = unlabeled.shuffle(len(x_u), 0).repeat()
    unlabeled = unlabeled.batch(rows, drop_remainder=True)
    return tpl.merge_streams(
        supervised_stream(),
        unlabeled.map(
            lambda i, x: tpl.views.Viewed(tf.cast(x, tf.float32), index=i)
        ),
    )


def contenders(names, steps):
    """Makes functions that return the time of an update.

    Args:
        names: Names in `tpl.presets.PRESETS`.
        steps: Int: updates that are timed.

    Returns:
        A dict by name.
    """
    found = {
        "supervised": subjects.time_of_fit(
            compiled(classifier()), supervised_stream(), steps
        )
    }
    for name in names:
        model, copies = model_of(tpl.presets.PRESETS[name])
        stream = merged_stream(ROWS_U // copies)
        found[name] = subjects.time_of_fit(model, stream, steps)
    return found


def main(_):
    """Takes turns and prints."""
    names = flags.FLAGS.presets
    times = timing.take_turns(
        contenders(names, flags.FLAGS.steps), flags.FLAGS.rounds
    )
    figures = [
        timing.figure(name, "ms", [1000 * t for t in values], better=None)
        for name, values in times.items()
    ]
    figures += [
        timing.figure(
            f"{name} / supervised",
            "x time",
            timing.ratios(times[name], times["supervised"]),
        )
        for name in names
    ]
    timing.report("presets", figures, flags.FLAGS.output)


if __name__ == "__main__":
    # Here, as tests import this beside programs with flags of their own.
    flags.DEFINE_string("output", None, "JSON file to write")
    flags.DEFINE_integer("rounds", 7, "turns; the figures are their medians")
    flags.DEFINE_integer("steps", 30, "updates per turn")
    flags.DEFINE_list("presets", list(tpl.presets.PRESETS), "which of them")
    app.run(main)
