"""Two batched `tf.data.Dataset`s become the one that `fit` iterates over."""

import keras
import tensorflow as tf

from tf_pseudolabel.labels import targets
from tf_pseudolabel.streams import checks

EPOCHS = ("unlabeled", "labeled")


def merge_streams(labeled, unlabeled, epoch="unlabeled"):
    """Pairs every labeled batch with an unlabeled one.

    Each stream yields `x`, `(x, y)` or `(x, y, sample_weight)`, as for
    `keras.Model.fit`. Labels of the unlabeled stream are never trained on; they
    feed the metric `pseudo_label_accuracy` alone.

    Every update has its labeled rows: the two batch sizes are the share of
    labeled rows that Arazo et al. (2020) ask for, 16 of 100.

    Args:
        labeled: Batched `tf.data.Dataset` with labels.
        unlabeled: Batched `tf.data.Dataset`; its `x` has the structure, dtypes
            and shapes (but for the batch size) of the labeled `x`.
        epoch: The stream whose end ends the epoch, `"unlabeled"` or
            `"labeled"`; the other one repeats. Defaults to `"unlabeled"`.

    Returns:
        A `tf.data.Dataset` of pairs `(labeled batch, unlabeled batch)`.

    Raises:
        ValueError: If a stream is empty, the labeled one has no labels, the
            elements do not match, or `epoch` is neither of the two.
    """
    if epoch not in EPOCHS:
        raise ValueError(
            f"`epoch` names the stream that ends the epoch, one of {EPOCHS}; "
            f"got {epoch!r}."
        )
    checks.check_pair(labeled, unlabeled)
    if epoch == "unlabeled":
        labeled = labeled.repeat()
    else:
        unlabeled = unlabeled.repeat()
    return tf.data.Dataset.zip((labeled, unlabeled))


def alternate_streams(labeled, unlabeled, unlabeled_batches=50):
    """Alternates passes over the labels with runs of unlabeled batches.

    An epoch is one pass over the unlabeled stream. Before its batches 0,
    `unlabeled_batches`, 2 · `unlabeled_batches`, … stands one full pass over
    the labeled stream. Every batch is an update of its own: the absent part of
    each pair has no rows, and so no loss.

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
    return tf.data.Dataset.range(steps).map(
        lambda step: tf.cast(step % period >= labeled_batches, tf.int64)
    )


def interleave(labeled, unlabeled, choice):
    """Takes batches from two streams in turn, each without the other part.

    Args:
        labeled: `tf.data.Dataset` that `choice` does not exhaust.
        unlabeled: `tf.data.Dataset` that `choice` does not exhaust.
        choice: `tf.data.Dataset` of int64 scalars, as from `alternation`.

    Returns:
        A `tf.data.Dataset` of pairs, one part of each without rows.
    """
    without_unlabeled = tf.nest.map_structure(no_rows, unlabeled.element_spec)
    without_labeled = tf.nest.map_structure(no_rows, labeled.element_spec)
    return tf.data.Dataset.choose_from_datasets(
        [
            labeled.map(
                lambda *parts: (_element(labeled, parts), without_unlabeled)
            ),
            unlabeled.map(
                lambda *parts: (without_labeled, _element(unlabeled, parts))
            ),
        ],
        choice,
    )


def no_rows(spec):
    """An empty batch.

    Args:
        spec: Something with a shape `(batch, ...)` and a dtype.

    Returns:
        A tensor of that dtype without rows; dimensions that `spec` leaves open
        are 0, too.
    """
    return tf.zeros([0, *(size or 0 for size in spec.shape[1:])], spec.dtype)


def count_rows(batch):
    """Counts the rows of a batch.

    Args:
        batch: Nested tensors `(batch, ...)`.

    Returns:
        An int where it is known, so that no condition needs to be asked of it
        in the graph; else an int32 scalar tensor.
    """
    first = tf.nest.flatten(batch)[0]
    return tf.shape(first)[0] if first.shape[0] is None else first.shape[0]


def labeled_alone(labeled, unlabeled=None):
    """Pairs every labeled batch with an unlabeled one without rows.

    For a supervised baseline, and for a long time of alpha = 0, in which merged
    streams would have their unlabeled batches made and thrown away:

        model.fit(labeled_alone(labeled), epochs=100, callbacks=callbacks)
        model.fit(
            merge_streams(labeled, unlabeled),
            initial_epoch=100,
            epochs=700,
            callbacks=callbacks,
        )

    Args:
        labeled: Batched `tf.data.Dataset` with labels.
        unlabeled: Batched `tf.data.Dataset` that is merged later, taken for its
            form alone, so that `fit` logs the same names before and after.
            Defaults to None: inputs without labels.

    Returns:
        A `tf.data.Dataset` of pairs `(labeled batch, unlabeled batch)`.

    Raises:
        ValueError: As for `merge_streams`, if `unlabeled` is given.
    """
    if unlabeled is None:
        spec, _, _ = keras.utils.unpack_x_y_sample_weight(labeled.element_spec)
    else:
        checks.check_pair(labeled, unlabeled)
        spec = unlabeled.element_spec
    without_unlabeled = tf.nest.map_structure(no_rows, spec)
    return labeled.map(
        lambda *parts: (_element(labeled, parts), without_unlabeled)
    )


def is_pair_of_streams(stream):
    """Whether a dataset's elements are pairs as `merge_streams` makes them."""
    spec = getattr(stream, "element_spec", None)
    if not (isinstance(spec, tuple) and len(spec) == 2):
        return False
    labeled, unlabeled = spec
    # ((input, input), labels) is a tuple in a tuple, too.
    return (
        isinstance(labeled, tuple)
        and len(labeled) in (2, 3)
        and checks.alike(
            keras.utils.unpack_x_y_sample_weight(labeled)[0],
            keras.utils.unpack_x_y_sample_weight(unlabeled)[0],
        )
    )


def weigh_classes(stream, class_weight, scores):
    """Multiplies each labeled row's sample weight by its class's weight.

    Args:
        stream: A dataset of pairs with class ids or one-hot labels.
        class_weight: Dict from class id to float; classes left out weigh 1.
        scores: Spec of the classifier's output, `(batch, ..., classes)`.

    Returns:
        A dataset of the same pairs, the labeled ones with sample weights.
    """
    by_class = tf.constant(
        [class_weight.get(c, 1.0) for c in range(scores.shape[-1])], tf.float32
    )

    def weigh(labeled, unlabeled):
        x, y, weight = keras.utils.unpack_x_y_sample_weight(labeled)
        weights = tf.gather(by_class, targets.class_ids(y, scores))
        if weight is not None:
            weights *= tf.cast(weight, tf.float32)
        return (x, y, weights), unlabeled

    return stream.map(weigh, num_parallel_calls=tf.data.AUTOTUNE)


def _finite_size(name, stream):
    size = int(stream.cardinality())
    if size < 0:
        raise ValueError(
            f"Alternating needs the number of batches of the {name} stream; "
            "its cardinality is unknown or infinite. State it with "
            "tf.data.experimental.assert_cardinality(n)."
        )
    return size


def _element(stream, parts):
    """The element of a dataset whose parts `map` has passed one by one."""
    return parts if isinstance(stream.element_spec, tuple) else parts[0]
