"""Times an update of Lee's network beside its matrix products alone.

    TFDS_DATA_DIR=... .venv/bin/python benchmarks/mlp_step.py

784-5000-10, 32 labeled and 256 unlabeled rows, as in the recipe lee2013_pl: the
real `fit` on real images, pseudo-labels from a pass of their own. Beside it, in
the same process and in turns with it: nothing but the matrix products of such
an update. Prints the medians and their ratio, and writes them as JSON.
"""

import os
import time

from absl import app, flags

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import timing

flags.DEFINE_string("output", None, "JSON file to write")
flags.DEFINE_string("data_dir", None, "where TFDS keeps prepared data sets")
flags.DEFINE_integer("rounds", 7, "turns; the figures are their medians")
flags.DEFINE_integer("steps", 60, "updates per turn")


def matrix_products(rows, rows_u, pixels, units, classes):
    """Makes a function that does the matrix products of an update."""
    import tensorflow as tf

    def matrix(*shape):
        return tf.Variable(tf.random.normal(shape))

    both = rows + rows_u
    x, x_u = matrix(both, pixels), matrix(rows_u, pixels)
    w, v = matrix(pixels, units), matrix(units, classes)
    hidden, hidden_u = matrix(both, units), matrix(rows_u, units)
    of_logits, of_hidden = matrix(both, classes), matrix(both, units)

    @tf.function
    def products():
        return [
            # Forth, for the loss and for the pseudo-labels, ...
            tf.matmul(x, w),
            tf.matmul(hidden, v),
            tf.matmul(x_u, w),
            tf.matmul(hidden_u, v),
            # ... and back. No gradient of the pixels is needed.
            tf.matmul(hidden, of_logits, transpose_a=True),
            tf.matmul(of_logits, v, transpose_b=True),
            tf.matmul(x, of_hidden, transpose_a=True),
        ]

    return products


def time_of_update(steps):
    """Makes a function that returns the time of an update with alpha > 0."""
    import dataclasses

    import subjects

    from tf_pseudolabel.lab import recipes
    from tf_pseudolabel.lab.runs import experiment, methods, phases, training
    from tf_pseudolabel.model import PseudoLabelModel

    recipe = dataclasses.replace(
        recipes.RECIPES["lee2013_pl"],
        data_dir=flags.FLAGS.data_dir,
        steps_per_epoch=steps,
    )
    data = experiment.load_data(recipe)
    split = experiment.draw_split(recipe, data)
    classifier = training.build_classifier(recipe, data)
    model = PseudoLabelModel(classifier, **methods.arguments(recipe))
    model.compile(
        training.optimizer_of(recipe, steps),
        training.LOSSES[recipe.output, "class ids"](from_logits=True),
        metrics=["accuracy"],
    )
    model.alpha.assign(1.0)
    phase = phases.phases_of(recipe, split)[-1]
    return subjects.time_of_fit(model, phase.merged(0), steps)


def main(_):
    """Takes turns and prints the medians."""
    steps = flags.FLAGS.steps
    products = matrix_products(32, 256, 784, 5000, 10)
    products()

    def time_of_products():
        start = time.perf_counter()
        for _ in range(steps):
            products()
        return (time.perf_counter() - start) / steps

    times = timing.take_turns(
        {"update": time_of_update(steps), "matrix products": time_of_products},
        flags.FLAGS.rounds,
    )
    figures = [
        timing.figure(
            name, "ms", [1000 * value for value in values], better=None
        )
        for name, values in times.items()
    ]
    ratios = timing.ratios(times["update"], times["matrix products"])
    figures.append(timing.figure("update / matrix products", "x", ratios))
    timing.report("mlp_step", figures, flags.FLAGS.output)


if __name__ == "__main__":
    app.run(main)
