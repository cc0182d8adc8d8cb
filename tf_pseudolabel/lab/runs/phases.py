"""What is trained on when: phases, and the stream of each."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from tf_pseudolabel.lab.data import batches
from tf_pseudolabel.lab.runs import methods
from tf_pseudolabel.streams import alternating, merging


@dataclasses.dataclass(frozen=True)
class Phase:
    """A run of epochs on one stream.

    Attributes:
        labeled: From a number to the endless dataset of the phase's labeled
            batches, beginning with the batch of that number.
        merged: The same for its merged batches.
        labeled_steps: Labeled batches per epoch.
        steps: Merged batches per epoch.
        first_epoch: The epoch that the phase begins with, from 0.
        last_epoch: The epoch after its last one.
    """

    labeled: Callable
    merged: Callable
    labeled_steps: int
    steps: int
    first_epoch: int
    last_epoch: int


def phases_of(recipe, split):
    """The phases of training, in order.

    Args:
        recipe: A `Recipe`.
        split: A `Split`.

    Returns:
        A list of `Phase`, none of them without epochs.
    """
    phases = [
        _labels_alone(recipe, split),
        _STREAMS[recipe.stream](recipe, split),
    ]
    return [p for p in phases if p.first_epoch < p.last_epoch]


def _labeled(recipe, split, **how):
    """From a number to the labeled batches from that one on."""
    return functools.partial(
        batches.passes, split.labeled, recipe.labeled_batch, recipe.seed, **how
    )


def _unlabeled(recipe, split):
    """The same for the unlabeled ones."""
    return functools.partial(
        batches.passes,
        split.unlabeled,
        recipe.unlabeled_batch,
        recipe.seed,
        numbered=methods.remembers_rows(recipe),
    )


def _labels_alone(recipe, split):
    steps = batches.count(split.labeled, recipe.labeled_batch)
    labeled = _labeled(recipe, split)
    unlabeled = _unlabeled(recipe, split)

    def merged(first):
        # Alpha is 0: what were drawn would be thrown away.
        return merging.labeled_alone(labeled(first), unlabeled(0))

    return Phase(labeled, merged, steps, steps, 0, recipe.labeled_epochs)


def _merged(recipe, split):
    steps = recipe.steps_per_epoch or batches.count(
        split.unlabeled, recipe.unlabeled_batch
    )
    labeled = _labeled(
        recipe, split, first_pass=recipe.labeled_epochs, across=True
    )
    unlabeled = _unlabeled(recipe, split)

    def merged(first):
        return merging.merge_streams(labeled(first), unlabeled(first))

    first_epoch = recipe.labeled_epochs
    return Phase(labeled, merged, steps, steps, first_epoch, recipe.epochs)


def _alternating(recipe, split):
    unlabeled_steps = batches.count(split.unlabeled, recipe.unlabeled_batch)
    choice = alternating.alternation(
        batches.count(split.labeled, recipe.labeled_batch),
        unlabeled_steps,
        recipe.unlabeled_batches,
    )
    lanes = np.fromiter(choice.as_numpy_iterator(), np.int64)
    steps = len(lanes)
    labeled = _labeled(recipe, split, first_pass=recipe.labeled_epochs)
    unlabeled = _unlabeled(recipe, split)

    def merged(first):
        epochs, step = divmod(first, steps)
        past = epochs * unlabeled_steps + int(lanes[:step].sum())
        return alternating.interleave(
            labeled(first - past), unlabeled(past), choice.repeat().skip(first)
        )

    return Phase(
        labeled,
        merged,
        steps - unlabeled_steps,
        steps,
        recipe.labeled_epochs,
        recipe.epochs,
    )


_STREAMS = {"merged": _merged, "alternating": _alternating}


def _clock_of_passes(recipe, split, first):
    """After the labeled epochs, t counts passes over the labels."""
    labeled_steps = batches.count(split.labeled, recipe.labeled_batch)
    unlabeled_steps = batches.count(split.unlabeled, recipe.unlabeled_batch)
    passes = -(-unlabeled_steps // recipe.unlabeled_batches)
    start = recipe.labeled_epochs

    def clock(epoch, batch):
        if epoch < start:
            return epoch
        past = (first + batch) // (labeled_steps + recipe.unlabeled_batches)
        return start + (epoch - start) * passes + past

    return clock


_CLOCKS = {
    "merged": lambda recipe, split, first: None,  # t is the epoch.
    "alternating": _clock_of_passes,
}


def clock_of(recipe, split, first):
    """What alpha's time is in an epoch.

    Args:
        recipe: A `Recipe`.
        split: A `Split`.
        first: Int: the batch that the epoch begins with.

    Returns:
        A callable of epoch and batch, or None: the time is the epoch.
    """
    return _CLOCKS[recipe.stream](recipe, split, first)
