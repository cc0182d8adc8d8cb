import dataclasses

import by_hand
import numpy as np
import pytest

from tf_pseudolabel.lab import recipes
from tf_pseudolabel.lab.data import splits
from tf_pseudolabel.lab.data.examples import Examples
from tf_pseudolabel.lab.runs import methods
from tf_pseudolabel.lab.runs.phases import clock_of, phases_of

RECIPE = dataclasses.replace(
    recipes.RECIPES["mnist_conv"],
    labeled_epochs=2,
    epochs=5,
    t1=3,
    t2=7,
    labeled_batch=4,
    unlabeled_batch=8,
    unlabeled_batches=3,
)


def _examples(rows):
    ids = np.arange(rows)
    images = ids.reshape(-1, 1, 1, 1).astype(np.uint8)
    return Examples(images, ids % 10, ids)


@pytest.fixture(name="split")
def fixture_split():
    return splits.Split(
        labeled=_examples(10),
        unlabeled=_examples(60),
        validation=_examples(3),
        test=_examples(5),
    )


class Recorded:
    """In a network's place: remembers what it is asked for."""

    def __init__(self):
        self.updates = []
        self.shown = []
        self.asked = []

    def on_labels(self, x, y):
        assert (x.ravel() % 10 == y).all()
        self.updates.append((len(x), None))

    def on_own_labels(self, x_u, alpha):
        self.updates.append((len(x_u), alpha))
        self.shown += x_u.ravel().tolist()

    def accuracy(self, x, y):
        self.asked.append(len(x))
        return len(x) / 10


def _of_the_package(split):
    """The rows of every update and, of unlabeled ones, alpha."""
    schedule = methods.alpha(RECIPE)
    found = []
    for phase in phases_of(RECIPE, split):
        stream = iter(phase.merged(0))
        for epoch in range(phase.first_epoch, phase.last_epoch):
            clock = clock_of(RECIPE, split, 0)
            for batch in range(phase.steps):
                (x, _), (x_u, *_) = next(stream)
                alpha = None
                if len(x_u):
                    alpha = pytest.approx(schedule(clock(epoch, batch)))
                found.append((len(x) + len(x_u), alpha))
    return found


def test_the_loops_make_the_updates_of_the_package(split, tmp_path):
    by_hand.write(tmp_path, RECIPE, split)
    network = Recorded()

    accuracy = by_hand.train(network, *by_hand.read(tmp_path))

    assert network.updates == _of_the_package(split)
    assert sorted(network.shown) == sorted(3 * list(range(60)))
    assert network.asked == [*5 * [3], 5]
    assert accuracy == 0.5
