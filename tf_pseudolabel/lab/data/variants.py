"""Benchmarks made harder: long-tailed classes, unlabeled rows of others."""

from __future__ import annotations

import dataclasses

import numpy as np

from tf_pseudolabel.lab.data.examples import Data, Examples
from tf_pseudolabel.lab.errors import InputError


def long_tailed(data: Data, imbalance: float, seed: int) -> Data:
    """Thins the classes of the training pool, each more than the one before.

    Class c of C keeps `imbalance ** (-c / (C - 1))` of the rows of the largest
    one, as in long-tailed CIFAR (Cao et al., "Learning Imbalanced Datasets with
    Label-Distribution-Aware Margin Loss", NeurIPS 2019). Validation and test
    sets of their own stay as they are.

    Args:
        data: What a source offers.
        imbalance: How many times the rows of the last class the first one has,
            at least 1.
        seed: Which rows are kept.

    Returns:
        The same with fewer training rows.

    Raises:
        InputError: Unlabeled rows come apart, and nobody knows their classes;
            or no row would be left of a class.
    """
    if data.unlabeled is not None:
        raise InputError(
            "imbalance thins classes, which must be known; got unlabeled rows "
            "of their own; leave them out"
        )
    labels, classes = data.train.labels, len(data.class_names)
    most = np.bincount(labels, minlength=classes).max()
    wanted = np.floor(
        most * imbalance ** (-np.arange(classes) / max(classes - 1, 1))
    )
    if wanted.min() < 1:
        raise InputError(
            f"imbalance must leave a row of each class; got {imbalance:g} with "
            f"{most} rows of the largest one; lower it to {most} or less"
        )
    order = np.random.default_rng(seed).permutation(len(labels))
    rank = np.empty(len(labels), int)
    for number in range(classes):
        of_class = order[labels[order] == number]
        rank[of_class] = np.arange(len(of_class))
    kept = np.flatnonzero(rank < wanted[labels])
    return dataclasses.replace(data, train=data.train.take(kept))


def open_set(data: Data, known: int) -> Data:
    """Leaves the first classes; rows of the others are unlabeled alone.

    Args:
        data: What a source offers.
        known: How many classes are known, at least 2.

    Returns:
        The same with `known` classes. What was trained on of the others is
        among the unlabeled rows, of unknown class; what was held out is gone.

    Raises:
        InputError: There are no other classes.
    """
    classes = len(data.class_names)
    if not 2 <= known < classes:
        raise InputError(
            f"known_classes must leave some of the {classes} classes out, and "
            f"two in; got {known}; give 2 to {classes - 1}"
        )
    others = data.train.take(np.flatnonzero(data.train.labels >= known))
    others = dataclasses.replace(others, labels=np.full(len(others), -1))
    unlabeled = others
    if data.unlabeled is not None:
        unlabeled = data.unlabeled.followed_by(others)
    return dataclasses.replace(
        data,
        train=_of_classes(data.train, known),
        test=_of_classes(data.test, known),
        validation=_of_classes(data.validation, known),
        unlabeled=unlabeled,
        class_names=data.class_names[:known],
        notes=(
            *data.notes,
            f"Unlabeled rows of {classes - known} other classes: "
            f"{len(others)}.",
        ),
    )


def _of_classes(examples: Examples | None, known: int) -> Examples | None:
    if examples is None:
        return None
    return examples.take(np.flatnonzero(examples.labels < known))
