"""Passes over the labels between runs of unlabeled batches."""

import typing

import tensorflow as tf

from tf_pseudolabel.streams import checks
from tf_pseudolabel.streams.merging import element
from tf_pseudolabel.update.batch import no_rows


class Alternating(typing.NamedTuple):
    """A pair of which one part has no rows: `fit` looks before each update."""

    labeled: typing.Any
    unlabeled: typing.Any


def alternate_streams(labeled, unlabeled, unlabeled_batches=50):
    """Alternates passes over the labels with runs of unlabeled batches.

    An epoch is one pass over the unlabeled stream. Before its batches 0,
    `unlabeled_batches`, 2 · `unlabeled_batches`, … stands one full pass over
    the labeled stream. Every batch is an update of its own: the absent part of
    each pair has no rows, and so no loss. Regularizers and activity losses of
    the network belong to the labeled loss, and so to labeled updates alone.

    While alpha is 0, an unlabeled batch is an update with gradients of 0: it
    changes nothing under plain SGD, but momentum and weight decay go on.

    Args:
        labeled: Batched `tf.data.Dataset` with labels, of known cardinality.
        unlabeled: Batched `tf.data.Dataset` of known cardinality; its `x`
            matches the labeled one as for `merge_streams`.
        unlabeled_batches: Positive int: unlabeled batches between two passes
            over the labels. Defaults to 50.

    Returns:
        A `tf.data.Dataset` of pairs `(labeled batch, unlabeled batch)`.

    Raises:
        ValueError: As for `merge_streams`; or if a cardinality is unknown or
            infinite, or `unlabeled_batches` is less than 1.
    """
    if unlabeled_batches < 1:
        raise ValueError(
            f"`unlabeled_batches` must be at least 1; got {unlabeled_batches}."
        )
    checks.check_pair(labeled, unlabeled)
    checks.check_dense("The labeled stream", labeled.element_spec)
    checks.check_dense("The unlabeled stream", unlabeled.element_spec)
    choice = alternation(
        _finite_size("labeled", labeled),
        _finite_size("unlabeled", unlabeled),
        unlabeled_batches,
    )
    return interleave(labeled.repeat(), unlabeled, choice).apply(
        tf.data.experimental.assert_cardinality(len(choice))
    )


def alternation(labeled_batches, all_unlabeled_batches, unlabeled_batches):
    """The order of the batches in one epoch of `alternate_streams`.

    Args:
        labeled_batches: Int: batches in a pass over the labels.
        all_unlabeled_batches: Int: batches in a pass over the unlabeled rows.
        unlabeled_batches: Int: unlabeled batches between passes over labels.

    Returns:
        A `tf.data.Dataset` of int64 scalars: 0, a labeled batch is next; 1, an
        unlabeled one.
    """
    passes = -(-all_unlabeled_batches // unlabeled_batches)
    steps = passes * labeled_batches + all_unlabeled_batches
    period = labeled_batches + unlabeled_batches

    @tf.autograph.experimental.do_not_convert
    def choice(step):
        return tf.cast(step % period >= labeled_batches, tf.int64)

    return tf.data.Dataset.range(steps).map(choice)


def interleave(labeled, unlabeled, choice):
    """Takes batches from two streams in turn, each without the other part.

    Args:
        labeled: `tf.data.Dataset` that `choice` does not exhaust.
        unlabeled: `tf.data.Dataset` that `choice` does not exhaust.
        choice: `tf.data.Dataset` of int64 scalars, as from `alternation`.

    Returns:
        A `tf.data.Dataset` of `Alternating`.
    """
    without_unlabeled = tf.nest.map_structure(no_rows, unlabeled.element_spec)
    without_labeled = tf.nest.map_structure(no_rows, labeled.element_spec)

    @tf.autograph.experimental.do_not_convert
    def of_labeled(*parts):
        return Alternating(element(labeled, parts), without_unlabeled)

    @tf.autograph.experimental.do_not_convert
    def of_unlabeled(*parts):
        return Alternating(without_labeled, element(unlabeled, parts))

    return tf.data.Dataset.choose_from_datasets(
        [labeled.map(of_labeled), unlabeled.map(of_unlabeled)], choice
    )


def _finite_size(name, stream):
    size = int(stream.cardinality())
    if size < 0:
        raise ValueError(
            f"Alternating needs the number of batches of the {name} stream; "
            "its cardinality is unknown or infinite. State it with "
            "tf.data.experimental.assert_cardinality(n)."
        )
    return size
