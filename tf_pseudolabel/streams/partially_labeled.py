"""One dataset whose labels are partly unknown becomes two."""

import tensorflow as tf

from tf_pseudolabel.labels.forms import UNKNOWN
from tf_pseudolabel.streams.arrays import check_counts
from tf_pseudolabel.streams.checks import check_dense
from tf_pseudolabel.streams.merging import element
from tf_pseudolabel.update.batch import unpack


def split_partially_labeled(dataset, labeled_batch=32, unlabeled_batch=256):
    """Splits a dataset into its labeled and its unlabeled rows.

        labeled, unlabeled = tpl.split_partially_labeled(dataset)
        model.fit(tpl.merge_streams(labeled, unlabeled), epochs=40)

    Rows come lazily and in the order of the dataset. Each of the two reads all
    of it in each of its passes; where labeled rows are few and dear to read,
    `labeled.cache()` keeps them.

    Args:
        dataset: Batched `tf.data.Dataset` of `(x, y)` or `(x, y,
            sample_weight)`, its batches of any size. `y` are class ids, -1 (or
            NaN) where a row is unlabeled; or one float per class, unlabeled
            rows all 0, -1 or NaN; or class ids per position, of which an
            unlabeled row has -1 alone.
        labeled_batch: Positive int: rows of a labeled batch. Defaults to 32.
        unlabeled_batch: Positive int: rows of an unlabeled one. Defaults to
            256.

    Returns:
        Two batched `tf.data.Dataset`s: `(x, y)` or `(x, y, sample_weight)` of
        the labeled rows, and the others without `y`.

    Raises:
        ValueError: If `dataset` is none, is not batched, or has no labels.
    """
    check_counts(labeled_batch=labeled_batch, unlabeled_batch=unlabeled_batch)
    _check(dataset)

    def rows(is_labeled):
        @tf.autograph.experimental.do_not_convert
        def of_batch(*parts):
            x, y, weight = unpack(element(dataset, parts))
            chosen = tf.where(_is_known(y) == is_labeled)[:, 0]
            found = (x, y, weight) if is_labeled else (x, None, weight)
            if weight is None:
                found = found[: 1 + is_labeled]
            return tf.nest.map_structure(
                lambda part: None if part is None else tf.gather(part, chosen),
                found,
            )

        return dataset.map(of_batch, num_parallel_calls=tf.data.AUTOTUNE)

    return (
        rows(True).rebatch(labeled_batch),
        rows(False).rebatch(unlabeled_batch),
    )


def _is_known(y):
    """Which rows of a batch are labeled: a bool tensor `(batch,)`."""
    # Integers are ids: 0 is a class.
    per_class = (y.dtype.is_floating or y.dtype == tf.bool) and (
        len(y.shape) > 1 and y.shape[-1] != 1
    )
    values = y if y.dtype.is_floating else tf.cast(y, tf.int64)
    known = values != UNKNOWN
    if y.dtype.is_floating:
        known &= ~tf.math.is_nan(y)
    if per_class:
        known &= values != 0
    return tf.reduce_any(known, axis=range(1, len(y.shape)))


def _check(dataset):
    """Refuses what is no batched dataset with labels."""
    if not isinstance(dataset, tf.data.Dataset):
        raise ValueError(
            "A partially labeled dataset must be a batched tf.data.Dataset; "
            f"got {type(dataset).__name__}. Of arrays tpl.from_arrays makes "
            "merged streams."
        )
    check_dense("A partially labeled dataset", dataset.element_spec)
    _, y, _ = unpack(dataset.element_spec)
    if not hasattr(y, "dtype") or y.dtype == tf.string:
        raise ValueError(
            "A partially labeled dataset must yield (x, y) or (x, y, "
            "sample_weight) with numbers in y, -1 where a row is unlabeled; "
            f"got {dataset.element_spec}."
        )
    if not y.shape.rank:
        raise ValueError(
            "A partially labeled dataset must yield batches whose number of "
            f"axes is known; got labels of {y}. Call .batch(...) on it, or "
            "name the shape: tf.ensure_shape(y, [None, ...])."
        )
