"""Times the whole recipe mnist_conv beside the same updates made by hand.

    TFDS_DATA_DIR=... .venv/bin/python benchmarks/recipe.py --shorter=4

Both phases on real images: labels alone, then the alternating schedule, the
accuracy on validation images after every epoch and on test images at the end.
Beside `fit`, in turns with it: bare `tf.function`s and, where it is installed,
eager PyTorch, in loops without a trainer (`by_hand.py`). Each turn is a process
of its own, timed from before the step is traced to its last figure; starting
and reading the data are not. Prints the accuracy of all, too: they train the
same network on the same images, from weights and in an order of their own.
Of `fit` it says where the time goes.
"""

import collections
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from absl import app, flags

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import by_hand
import keras
import tensorflow as tf
import timing

from tf_pseudolabel.lab import recipes
from tf_pseudolabel.lab.data.tasks import task_of
from tf_pseudolabel.lab.recipes.lee2013 import compressed
from tf_pseudolabel.lab.runs import jobs, results, training

flags.DEFINE_string("output", None, "JSON file to write")
flags.DEFINE_string("data_dir", None, "where TFDS keeps prepared data sets")
flags.DEFINE_integer("rounds", 3, "turns; the figures are their medians")
flags.DEFINE_integer("shorter", 1, "how many times fewer epochs")
flags.DEFINE_integer("unlabeled", 19_000, "unlabeled images")
flags.DEFINE_bool("this_process", False, "train in this process")


def setting():
    """The recipe that is timed."""
    return dataclasses.replace(
        compressed(recipes.RECIPES["mnist_conv"], flags.FLAGS.shorter),
        num_unlabeled=flags.FLAGS.unlabeled,
        data_dir=flags.FLAGS.data_dir,
    )


def split_of(recipe):
    """The images of the recipe, and where they come from."""
    data = results.load_data(recipe)
    return data, jobs.draw_split(recipe, data)


class Clock(keras.callbacks.Callback):
    """Sums up where the time goes.

    Args:
        labeled_epochs: Int: epochs of the first phase.
    """

    def __init__(self, labeled_epochs):
        super().__init__()
        self.seconds = collections.Counter()
        self._labeled_epochs = labeled_epochs
        self._since = self._part = None

    def _count(self, part):
        now = time.perf_counter()
        self.seconds[part] += now - self._since
        self._since = now

    def on_epoch_begin(self, epoch, logs=None):
        """An epoch's updates begin."""
        self._since = time.perf_counter()
        self._part = "updates, alternating"
        if epoch < self._labeled_epochs:
            self._part = "updates, labels alone"
        if epoch in (0, self._labeled_epochs):
            self._part = "updates, first epochs (tracing)"

    def on_test_begin(self, logs=None):
        """They end."""
        self._count(self._part)

    def on_test_end(self, logs=None):
        """So does the epoch."""
        self._count("validation")


def train():
    """The pseudo-label arm in this process; prints its figures."""
    recipe = setting()
    data, split = split_of(recipe)
    clock = Clock(recipe.labeled_epochs)
    start = time.perf_counter()
    classifier, _ = training.train(
        training.PSEUDO_LABEL,
        recipe,
        task_of(data, split),
        tf.distribute.get_strategy(),
        [clock],
    )
    scores = classifier.predict(split.test.read(), batch_size=256, verbose=0)
    accuracy = float((scores.argmax(axis=1) == split.test.labels).mean())
    whole = time.perf_counter() - start
    found = {"the recipe": whole, "accuracy": accuracy, **clock.seconds}
    print(json.dumps(found))


def in_a_process(*command):
    """Runs a contender; returns its figures."""
    done = subprocess.run(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def contenders(directory):
    """The commands that take turns, by name."""
    recipe = setting()
    by_hand.write(directory, recipe, split_of(recipe)[1])
    beside = pathlib.Path(__file__).with_name
    found = {
        "fit": (__file__, *sys.argv[1:], "--this_process"),
        "bare tf.functions": (beside("bare_recipe.py"), directory),
    }
    if timing.pytorch_is_there():
        found["PyTorch eager"] = (beside("pytorch_recipe.py"), directory)
    return found


def figures_of(found):
    """The lines of the table.

    Args:
        found: Dict from a contender to a list of the figures of its turns.
    """
    lines = []
    for name, turns in found.items():
        for part in turns[0]:
            values = [turn[part] for turn in turns]
            unit = "s"
            if part == "accuracy":
                unit, values = "%", [100 * value for value in values]
            lines.append(
                timing.figure(f"{name}: {part}", unit, values, better=None)
            )
    seconds = {
        name: [turn["the recipe"] for turn in turns]
        for name, turns in found.items()
    }
    of_fit = seconds.pop("fit")
    return lines + [
        timing.figure(f"fit / {name}", "x", timing.ratios(of_fit, values))
        for name, values in seconds.items()
    ]


def main(_):
    """Takes turns and prints the medians."""
    if flags.FLAGS.this_process:
        train()
        return
    with tempfile.TemporaryDirectory() as directory:
        found = timing.take_turns(
            {
                name: (lambda command=command: in_a_process(*command))
                for name, command in contenders(directory).items()
            },
            flags.FLAGS.rounds,
        )
    timing.report("recipe", figures_of(found), flags.FLAGS.output)


if __name__ == "__main__":
    app.run(main)
