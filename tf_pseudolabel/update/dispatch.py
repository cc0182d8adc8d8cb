"""Which of its data an update trains on: decided before it runs.

One traced function for updates with unlabeled rows, one for those without, and
no condition inside of either: replicas cannot wait for each other in a
condition, masks get lost in it, XLA wants rows of known number there, and each
branch is traced once more.
"""

import math
import typing

import tensorflow as tf


class Trains(typing.NamedTuple):
    """Which parts of its data an update trains on."""

    labeled: bool
    unlabeled: bool


BOTH = Trains(True, True)


class Dispatch:
    """The function that `fit` calls for each update, or for several.

    Args:
        model: A `PseudoLabelModel`.
        make: Callable that makes Keras' own function of the model's
            `train_step`, traced when it is first called.
    """

    def __init__(self, model, make):
        self._model = model
        self._make = make
        self._functions = {}

    def __call__(self, iterator):
        """Runs `steps_per_execution` updates on an iterator's batches."""
        model = self._model
        alpha = model.alpha.numpy()
        if not 0 <= alpha < math.inf:
            raise ValueError(
                f"`model.alpha` is finite and at least 0; got {alpha}. Assign "
                "another one."
            )
        counts = model.has_unlabeled and alpha > 0
        if not model.is_alternating:
            return self._function(Trains(True, counts))(iterator)
        logs = None
        for _ in range(model.steps_per_execution):
            try:
                data = next(iterator)
            except StopIteration:
                if logs is None:
                    raise
                break  # The last group of an epoch may be a part of one.
            labeled = _has_rows(data[0], model.distribute_strategy)
            trains = Trains(labeled, counts and not labeled)
            logs = self._function(trains)([data])
        return logs

    def _function(self, trains):
        """Keras' function for one kind of update."""
        model = self._model
        model.trains = trains
        # What the step logs is part of its trace.
        key = trains, model.statistics.shown
        if key not in self._functions:
            self._functions[key] = self._make()
        return self._functions[key]


def _has_rows(part, strategy):
    """Whether a part of a drawn element has rows, on any replica."""
    first = tf.nest.flatten(part)[0]
    return strategy.experimental_local_results(first)[0].shape[0] > 0
