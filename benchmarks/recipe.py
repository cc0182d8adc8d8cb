"""Times the whole recipe mnist_conv beside the same updates in PyTorch.

    TFDS_DATA_DIR=... .venv/bin/python benchmarks/recipe.py --shorter=4

Both phases on real images: labels alone, then the alternating schedule, the
accuracy on validation images after every epoch and on test images at the end.
Each turn is a process of its own, timed from its first update (here: from
before the step is traced) to its last figure; starting and reading the data are
not. Prints the accuracy of both, too: they train the same network on the same
images, from weights and in an order of their own.
"""

import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from absl import app, flags

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import timing

flags.DEFINE_string("output", None, "JSON file to write")
flags.DEFINE_string("data_dir", None, "where TFDS keeps prepared data sets")
flags.DEFINE_integer("rounds", 3, "turns; the figures are their medians")
flags.DEFINE_integer("shorter", 1, "how many times fewer epochs")
flags.DEFINE_integer("unlabeled", 19_000, "unlabeled images")
flags.DEFINE_bool("this_process", False, "train in this process")


def setting():
    """The recipe that is timed."""
    from tf_pseudolabel import recipes
    from tf_pseudolabel.recipes.lee2013 import compressed

    return dataclasses.replace(
        compressed(recipes.RECIPES["mnist_conv"], flags.FLAGS.shorter),
        num_unlabeled=flags.FLAGS.unlabeled,
        data_dir=flags.FLAGS.data_dir,
    )


def split_of(recipe):
    """The images of the recipe, and where they come from."""
    from tf_pseudolabel import experiment

    data = experiment.load_data(recipe)
    return data, experiment.draw_split(recipe, data)


def train():
    """The pseudo-label arm in this process; prints seconds and accuracy."""
    import tensorflow as tf

    from tf_pseudolabel import training

    recipe = setting()
    data, split = split_of(recipe)
    start = time.perf_counter()
    classifier, _ = training.train(
        training.PSEUDO_LABEL,
        recipe,
        data,
        split,
        tf.distribute.get_strategy(),
        [],
    )
    scores = classifier.predict(split.test.images, batch_size=256, verbose=0)
    accuracy = (scores.argmax(axis=1) == split.test.labels).mean()
    print(time.perf_counter() - start, accuracy)


def in_a_process(*command):
    """Runs a contender; returns its seconds and its accuracy."""
    done = subprocess.run(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return tuple(map(float, done.stdout.split("\n")[-2].split()))


def of_pytorch(directory):
    """The command of the other contender."""
    import numpy as np

    recipe = setting()
    _, split = split_of(recipe)
    images = pathlib.Path(directory, "images.npz")
    np.savez(
        images,
        x=split.labeled.images,
        y=split.labeled.labels,
        x_u=split.unlabeled.images,
        x_val=split.validation.images,
        y_val=split.validation.labels,
        x_test=split.test.images,
        y_test=split.test.labels,
    )
    return (
        pathlib.Path(__file__).with_name("pytorch_recipe.py"),
        *(images, str(recipe.labeled_epochs), str(recipe.epochs)),
        *(str(recipe.labeled_batch), str(recipe.unlabeled_batch)),
        *(str(recipe.unlabeled_batches), str(recipe.learning_rate)),
        *(str(recipe.t1), str(recipe.t2), str(recipe.alpha_f)),
    )


def main(_):
    """Takes turns and prints the medians."""
    if flags.FLAGS.this_process:
        train()
        return
    mine = (__file__, *sys.argv[1:], "--this_process")
    contenders = {"fit": mine}
    with tempfile.TemporaryDirectory() as directory:
        if timing.pytorch_is_there():
            contenders["PyTorch eager"] = of_pytorch(directory)
        found = timing.take_turns(
            {
                name: (lambda command=command: in_a_process(*command))
                for name, command in contenders.items()
            },
            flags.FLAGS.rounds,
        )
    seconds = {
        name: [taken for taken, _ in values] for name, values in found.items()
    }
    figures = [
        timing.figure(f"{name}: the recipe", "s", values, better=None)
        for name, values in seconds.items()
    ]
    figures += [
        timing.figure(
            f"{name}: accuracy",
            "%",
            [100 * accuracy for _, accuracy in values],
            better=None,
        )
        for name, values in found.items()
    ]
    if len(seconds) > 1:
        ratios = timing.ratios(*seconds.values())
        figures.append(timing.figure("fit / PyTorch eager", "x", ratios))
    timing.report("recipe", figures, flags.FLAGS.output)


if __name__ == "__main__":
    app.run(main)
