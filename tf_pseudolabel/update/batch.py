"""The two batches of an update, in one form."""

import typing

import keras
import tensorflow as tf

from tf_pseudolabel import compat
from tf_pseudolabel.views import Viewed


class Places(typing.NamedTuple):
    """Where the rows at hand are within the global batch.

    Attributes:
        first: Int, or scalar tensor: the place of the first one.
        count: The same: how many there are.
        total: The same: how many the global batch has.
    """

    first: typing.Any
    count: typing.Any
    total: typing.Any


class Batch(typing.NamedTuple):
    """A batch of a stream.

    Attributes:
        x: Inputs; of unlabeled rows, what the teacher sees.
        y: Labels, hidden labels or, later, pseudo-labels; None without.
        weight: Float32 sample weights `(batch, ...)`, or None.
        student: What the student sees: `x` itself, unless there are two views.
        index: Int64 tensor `(batch,)`: the number of each row, or None.
        count: How many rows there are: an int where it is known, else a scalar
            tensor.
        places: Their `Places`; None where nobody asks.
    """

    x: typing.Any
    y: typing.Any
    weight: typing.Any
    student: typing.Any
    index: typing.Any
    count: typing.Any
    places: Places | None = None


def unpack(element):
    """Takes an element of a stream apart, as Keras does.

    Args:
        element: `x`, `(x, y)` or `(x, y, weight)`; specs or tensors. `x` may be
            `Viewed`.

    Returns:
        A tuple of three; None for what there is not.
    """
    if isinstance(element, Viewed):  # A tuple, which Keras would take apart.
        return element, None, None
    parts = keras.utils.unpack_x_y_sample_weight(element)
    # A spec of None has no dtype, and says that there is nothing.
    return tuple(
        None
        if isinstance(part, tf.TypeSpec) and compat.is_none_spec(part)
        else part
        for part in parts
    )


def first_view(x):
    """What of an unlabeled `x` is like the labeled one.

    Args:
        x: Inputs, or `Viewed`.

    Returns:
        Nested tensors or specs.
    """
    return x.weak if isinstance(x, Viewed) else x


def batches_of(data, with_labeled, with_unlabeled):
    """Makes the batches of an update.

    Args:
        data: An element of merged streams, `(labeled, unlabeled)` or, on a
            replica, `(labeled, unlabeled, (rows, rows_u))`: for each of them
            how many rows are its own, the place of the first one in the global
            batch, and how many rows that has.
        with_labeled: Whether the update trains on labeled rows.
        with_unlabeled: Whether it trains on unlabeled ones.

    Returns:
        Two `Batch`es, None for what is not trained on or known to be empty,
        which has no mean; the labels, for their form; and, where a replica's
        batches may be empty, a row of inputs for the network to see instead,
        else None.
    """
    labeled, unlabeled, *own = data
    like, spare = unpack(labeled)[1], None
    if own:
        present = labeled if with_labeled else unlabeled
        spare = first_rows(first_view(unpack(present)[0]), 1)
        rows = [count for count, _, _ in own[0]]
        labeled, unlabeled = map(first_rows, (labeled, unlabeled), rows)
    places = own[0] if own else (None, None)
    labeled = _batch_of(labeled, places[0]) if with_labeled else None
    unlabeled = _batch_of(unlabeled, places[1]) if with_unlabeled else None
    if not own:
        labeled, unlabeled = map(_unless_empty, (labeled, unlabeled))
    return labeled, unlabeled, like, spare


def _batch_of(element, own):
    x, y, weight = unpack(element)
    student = index = ()
    if isinstance(x, Viewed):
        x, student, index = x
    count = count_rows(x)
    return Batch(
        x,
        y,
        weight,
        x if _is_absent(student) else student,
        None if _is_absent(index) else tf.cast(index, tf.int64),
        count,
        _even_places(count) if own is None else Places(own[1], count, own[2]),
    )


def _is_absent(part):
    """Whether it is (), which no comparison of tensors may tell."""
    return isinstance(part, tuple) and not part


def _even_places(count):
    """The places of rows of which every replica has as many."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return Places(0, count, count)
    number = replica.replica_id_in_sync_group
    return Places(number * count, count, replica.num_replicas_in_sync * count)


def _unless_empty(batch):
    """A batch; None where it is known to have no rows."""
    if batch is not None and isinstance(batch.count, int) and not batch.count:
        return None
    return batch


def repeated(batch, times):
    """Every row of a batch several times, one after the other.

    Args:
        batch: A `Batch`.
        times: Int.

    Returns:
        A `Batch`; the same for once.
    """
    if times == 1:
        return batch
    rows = batch._replace(count=None, places=None)
    rows = tf.nest.map_structure(
        lambda x: None if x is None else tf.repeat(x, times, axis=0), rows
    )
    places = Places(*(times * place for place in batch.places))
    return rows._replace(count=times * batch.count, places=places)


def first_rows(batch, count):
    """The first rows of a batch.

    Args:
        batch: Nested tensors `(batch, ...)`.
        count: How many.

    Returns:
        The same structure.
    """
    return tf.nest.map_structure(lambda tensor: tensor[:count], batch)


def count_rows(batch):
    """Counts the rows of a batch.

    Args:
        batch: Nested tensors `(batch, ...)`.

    Returns:
        An int where it is known, else an int32 scalar tensor.
    """
    first = tf.nest.flatten(batch)[0]
    return tf.shape(first)[0] if first.shape[0] is None else first.shape[0]


def no_rows(spec):
    """An empty batch.

    Args:
        spec: Something with a shape `(batch, ...)` and a dtype.

    Returns:
        A tensor of that dtype without rows; dimensions that `spec` leaves open
        are 0, too.
    """
    return tf.zeros([0, *(size or 0 for size in spec.shape[1:])], spec.dtype)
