"""Batches of examples whose rows are a function of a seed and a number."""

import math

import tensorflow as tf

from tf_pseudolabel.lab.data.inputs import Held, Kept
from tf_pseudolabel.views import Viewed

_FEW_BYTES = 64 * 2**20


def passes(
    examples,
    batch_size,
    seed,
    first,
    first_pass=0,
    across=False,
    numbered=False,
):
    """Endless batches: shuffled pass after shuffled pass.

    Which rows a batch holds is a function of the seed and its number, so that
    training can go on from any batch. `Dataset.shuffle` would draw the order
    from a counter that every iterator moves, however far it reads ahead.

    Args:
        examples: `Examples`.
        batch_size: Rows per batch, at most as many as there are examples.
        seed: Int.
        first: Number of the first batch.
        first_pass: Number of the pass that batch 0 begins.
        across: Whether a batch may span two passes. Otherwise the last batch
            of a pass is smaller.
        numbered: Whether inputs are `Viewed`, with the number of each row.

    Returns:
        A `tf.data.Dataset` of (inputs, label), or of inputs without labels.
    """
    size = len(examples)
    steps = count(examples, batch_size)

    def position(number):
        if across:
            row = number * batch_size
            return first_pass + row // size, row % size
        return first_pass + number // steps, number % steps * batch_size

    def order(number):
        return tf.random.experimental.stateless_shuffle(
            tf.range(size), seed=[tf.constant(seed, tf.int64), number]
        )

    @tf.autograph.experimental.do_not_convert
    def rows_of(state, number):
        """Draws the order once per pass, and remembers it."""
        known, rows = state
        current, start = position(number)
        rows = tf.cond(
            tf.equal(current, known), lambda: rows, lambda: order(current)
        )
        batch = rows[start : start + batch_size]
        if across:
            # Drawn again for the next batch: of a million rows, one order is
            # enough to hold.
            more = batch_size - tf.size(batch)
            batch = tf.cond(
                more > 0,
                lambda: tf.concat([batch, order(current + 1)[:more]], axis=0),
                lambda: batch,
            )
        if across or size % batch_size == 0:
            batch = tf.ensure_shape(batch, [batch_size])
        return (current, rows), batch

    nothing_yet = tf.constant(-1, tf.int64), tf.zeros([size], tf.int32)
    # Repeated only in name: what is known to be endless needs no looking out
    # for its end, which replicas would have to agree on.
    numbers = tf.data.Dataset.range(first, tf.int64.max).repeat()
    drawn = numbers.scan(nothing_yet, rows_of)
    return _read(examples, drawn, numbered=numbered)


def in_order(examples, batch_size):
    """All examples once, in their own order.

    Args:
        examples: `Examples`.
        batch_size: Rows per batch; the last one may have fewer.

    Returns:
        A `tf.data.Dataset` of (inputs, label).
    """
    options = tf.data.Options()
    # TensorFlow would look for files first, and say that there are none.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    rows = tf.data.Dataset.range(len(examples)).batch(batch_size)
    found = _read(examples, rows)
    if _are_few(examples):
        # An iterator begins in a tenth of the time, and Keras makes two for
        # each validation: 2.5 of 29 seconds of training on digits.
        found = found.cache()
    return found.with_options(options)


def _are_few(examples):
    """Whether inputs are in memory, and as many bytes more do not matter."""
    specs = tf.nest.flatten(examples.spec)
    size = sum(math.prod(spec.shape) * spec.dtype.size for spec in specs)
    held = isinstance(examples.inputs, (Held, Kept))
    return held and len(examples) * size < _FEW_BYTES


def untuned(stream):
    """Keeps TensorFlow from tuning a dataset while it is iterated over.

    When an iterator is thrown away, as at the end of `fit`, TensorFlow 2.21
    waits for its tuning thread, and now and then fails to wake it. That sleeps
    for about as long as the iterator has lived, up to a minute.

    Args:
        stream: A `tf.data.Dataset` that leaves nothing to be tuned.

    Returns:
        The same dataset with that option.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return stream.with_options(options)


def count(examples, batch_size):
    """Batches in a pass, the last one perhaps smaller.

    Args:
        examples: `Examples`.
        batch_size: Rows per batch.

    Returns:
        Int.
    """
    return -(-len(examples) // batch_size)


def inputs_alone(examples, batch_size):
    """The inputs of all examples once, in their own order.

    Args:
        examples: `Examples`.
        batch_size: Rows per batch; the last one may have fewer.

    Returns:
        A `tf.data.Dataset` of tuples of inputs alone.
    """
    rows = tf.data.Dataset.range(len(examples)).batch(batch_size)
    return _read(examples, rows, labeled=False)


def _read(examples, batches_of_rows, labeled=None, numbered=False):
    """Batches of (inputs, label); of inputs where labels are unknown."""
    if labeled is None:
        labeled = not (examples.labels < 0).any()
    # Where tf.data reads them, also on machines with a GPU.
    with tf.device("CPU:0"):
        numbers = tf.constant(examples.rows)
        labels = tf.constant(examples.labels) if labeled else None

    @tf.autograph.experimental.do_not_convert
    def element(rows):
        x = examples.inputs.batch(tf.cast(tf.gather(numbers, rows), tf.int64))
        if numbered:
            x = Viewed(x, index=tf.cast(rows, tf.int64))
        if not labeled:
            return (x,)
        label = tf.gather(labels, rows)
        return x, tf.cast(label, tf.int64) if label.dtype.is_integer else label

    return untuned(batches_of_rows.map(element).prefetch(2))
