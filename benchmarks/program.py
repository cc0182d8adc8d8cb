"""Times an epoch of `bin/train`, all included, beside bare updates.

    TFDS_DATA_DIR=... .venv/bin/python benchmarks/program.py

The recipe mnist_conv_joint on real images, pseudo-labels from the first epoch
on, with everything that `bin/train` does by default: validation, monitor,
history, TensorBoard, the best classifier, checkpoints. After every epoch, in
the same process: as many updates in a bare `tf.function` on the same stream.
"""

import contextlib
import dataclasses
import io
import itertools
import os
import tempfile
import time
from unittest import mock

from absl import app, flags

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import timing

flags.DEFINE_string("output", None, "JSON file to write")
flags.DEFINE_string("data_dir", None, "where TFDS keeps prepared data sets")
flags.DEFINE_integer("rounds", 7, "epochs; the figures are their medians")
flags.DEFINE_integer("unlabeled", 19_000, "unlabeled images of an epoch")


def recipe_of(rounds, unlabeled, data_dir):
    """Alpha is above 0 from the first epoch on."""
    from tf_pseudolabel.lab import recipes

    return dataclasses.replace(
        recipes.RECIPES["mnist_conv_joint"],
        labeled_epochs=0,
        # The first epoch traces the step.
        epochs=rounds + 1,
        t1=0.0,
        t2=0.0,
        num_unlabeled=unlabeled,
        baseline=False,
        data_dir=data_dir,
    )


def bare_updates(recipe):
    """Makes a function that returns the time of an epoch's updates alone."""
    import bare

    from tf_pseudolabel.lab.data.tasks import task_of
    from tf_pseudolabel.lab.runs import (
        jobs,
        phases,
        results,
        training,
    )

    data = results.load_data(recipe)
    split = jobs.draw_split(recipe, data)
    classifier = training.build_classifier(recipe, task_of(data, split))
    optimizer = training.optimizer_of(recipe, 1, classifier)
    optimizer.build(classifier.trainable_weights)
    loss = training.LOSSES[recipe.output, "class ids"](from_logits=True)
    step = bare.make_step(
        classifier,
        loss,
        optimizer,
        recipe.teacher,
        batch_norm=recipe.batch_norm,
    )
    phase = phases.phases_of(recipe, split)[-1]
    batches = iter(phase.merged(0))

    def measure():
        start = time.perf_counter()
        for (x, y), (x_u, *_) in itertools.islice(batches, phase.steps):
            value = step((x, y), x_u)
        value.numpy()
        return time.perf_counter() - start

    measure()  # Traces the step.
    return measure


def taking_turns(measure, times):
    """Puts a clock around the callbacks of `bin/train`, and turns between."""
    import keras

    from tf_pseudolabel.lab.runs import watching

    found = watching.callbacks
    started = []

    def begin(*_):
        started.append(time.perf_counter())

    def end(*_):
        times["bin/train"].append(time.perf_counter() - started[-1])
        times["bare tf.function"].append(measure())

    def callbacks(*arguments):
        # What checkpoints save of an epoch, they save when it ends.
        return [
            keras.callbacks.LambdaCallback(on_epoch_begin=begin),
            *found(*arguments),
            keras.callbacks.LambdaCallback(on_epoch_end=end),
        ]

    return mock.patch.object(watching, "callbacks", callbacks)


def main(_):
    """Trains, and prints the medians."""
    from tf_pseudolabel.lab.runs import experiment

    recipe = recipe_of(
        flags.FLAGS.rounds, flags.FLAGS.unlabeled, flags.FLAGS.data_dir
    )
    times = {"bin/train": [], "bare tf.function": []}
    measure = bare_updates(recipe)
    with (
        tempfile.TemporaryDirectory() as directory,
        taking_turns(measure, times),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        experiment.run(recipe, directory, with_pictures=False)
    times = {name: values[1:] for name, values in times.items()}
    figures = [
        timing.figure(f"{name}: an epoch", "s", values, better=None)
        for name, values in times.items()
    ]
    ratios = timing.ratios(times["bin/train"], times["bare tf.function"])
    figures.append(timing.figure("bin/train / bare tf.function", "x", ratios))
    timing.report("program", figures, flags.FLAGS.output)


if __name__ == "__main__":
    app.run(main)
