"""A labeled and an unlabeled stream, a batch of each for every update."""

import tensorflow as tf

from tf_pseudolabel import compat
from tf_pseudolabel.streams import border, checks
from tf_pseudolabel.update.batch import no_rows, unpack

EPOCHS = ("unlabeled", "labeled")
_POSITION = "tf_pseudolabel_position"


def merge_streams(labeled, unlabeled, epoch="unlabeled"):
    """Pairs every labeled batch with an unlabeled one.

    Each stream yields `x`, `(x, y)` or `(x, y, sample_weight)`, as for
    `keras.Model.fit`. Labels of the unlabeled stream are never trained on; they
    feed the metric `pseudo_label_accuracy` alone, and -1 or a row of zeros says
    that one is unknown. Weights multiply losses. A row of weight 0 is counted
    in no average, statistics or threshold, as if it were absent; there the
    others count alike.

    Every update has its labeled rows: the two batch sizes are the share of
    labeled rows that Arazo et al. (2020) ask for, 16 of 100.

    Args:
        labeled: Batched `tf.data.Dataset` with labels.
        unlabeled: Batched `tf.data.Dataset`; its `x` has the structure, dtypes
            and shapes (but for the batch size) of the labeled `x`, or is
            `tpl.views.Viewed` of two such.
        epoch: The stream whose end ends the epoch, `"unlabeled"` or
            `"labeled"`; the other one repeats, and goes on in the next epoch
            where it was. Defaults to `"unlabeled"`.

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
    ends, repeats = unlabeled, labeled
    if epoch == "labeled":
        ends, repeats = labeled, unlabeled
    if ends.cardinality() == tf.data.INFINITE_CARDINALITY:
        # One pass, however many epochs: nothing has to be remembered.
        return tf.data.Dataset.zip((labeled.repeat(), unlabeled.repeat()))
    repeated = Repeated(repeats)

    @tf.autograph.experimental.do_not_convert
    def pair(*parts):
        both = element(ends, parts), repeated.draw()
        return both[::-1] if epoch == "unlabeled" else both

    merged = ends.map(pair)
    remember(merged, repeated)
    return merged


def remember(merged, position):
    """Has `go_on` find what makes a merged stream go on.

    Args:
        merged: A `tf.data.Dataset`.
        position: Something with `go_to(number of the next update)`.
    """
    setattr(merged, _POSITION, position)


class Repeated:
    """The batches of a stream, over and over, for datasets to draw from.

    `Dataset.repeat` begins anew whenever an epoch does, so that what lies
    beyond the batches of one epoch would never be drawn. This goes on where it
    was.

    Args:
        stream: A finite `tf.data.Dataset`.
    """

    def __init__(self, stream):
        self._stream = stream
        self._size = int(stream.cardinality())
        self._iterator = iter(_repeated(stream))
        self._drawn = tf.Variable(0, dtype=tf.int64, trainable=False)

    def draw(self):
        """Returns the next batch; to be called in the function of a `map`."""
        self._drawn.assign_add(1)
        batch = self._iterator.get_next_as_optional()
        with tf.control_dependencies([_assert_there(batch)]):
            return batch.get_value()

    def shard(self, shard):
        """Begins anew with a part of the stream.

        Args:
            shard: Callable from the stream to a dataset like it.
        """
        own = shard(self._stream)
        compat.begin_anew(self._iterator, _repeated(own))
        self._size = int(own.cardinality())
        self._drawn.assign(0)

    def go_to(self, number):
        """Goes on with the batch of a number, counted from 0.

        Of a stream of unknown size only forwards: there it may begin with
        another one of its batches.

        Args:
            number: Int.
        """
        ahead = number - int(self._drawn.numpy())
        if self._size > 0:
            ahead %= self._size
        for _ in range(ahead):
            next(self._iterator)
        self._drawn.assign(number)


def _repeated(stream):
    """A stream over and over, without a thread that tunes it.

    TensorFlow joins that thread when an iterator goes, and then sleeps for up
    to as long as the iterator has lived.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return stream.repeat().with_options(options)


def _assert_there(batch):
    """Refuses a stream of which only drawing tells that it is empty."""
    text = (
        f"{border.REFUSED} the stream that repeats (by default the labeled "
        "one) must yield batches; got none. Look for a filter that removes "
        "everything, or labels that are all unknown."
    )
    return tf.raw_ops.Assert(condition=batch.has_value(), data=[text])


def go_on(stream, updates):
    """Has the stream of a training go on where that was.

    Args:
        stream: What `merge_streams` or `from_arrays` returned, or was made of
            that by `map`, `prefetch` and their like.
        updates: Int: updates before the next one.
    """
    position = compat.merged_from(stream, _POSITION)
    if position is not None:
        position.go_to(updates)


def shard_repeated(stream, shard):
    """Has the repeated part of merged streams yield a part of its batches.

    It is drawn from inside of a function, where no rewriting of the merged
    stream reaches it.

    Args:
        stream: As for `go_on`.
        shard: Callable from a dataset to a dataset like it.
    """
    repeated = compat.merged_from(stream, _POSITION)
    if repeated is not None:
        repeated.shard(shard)


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
            form alone. Defaults to None: inputs without labels.

    Returns:
        A `tf.data.Dataset` of pairs `(labeled batch, unlabeled batch)`.

    Raises:
        ValueError: As for `merge_streams`, if `unlabeled` is given.
    """
    if unlabeled is None:
        spec, _, _ = unpack(labeled.element_spec)
    else:
        checks.check_pair(labeled, unlabeled)
        spec = unlabeled.element_spec
    without_unlabeled = tf.nest.map_structure(no_rows, spec)

    @tf.autograph.experimental.do_not_convert
    def alone(*parts):
        return element(labeled, parts), without_unlabeled

    return labeled.map(alone)


def element(stream, parts):
    """The element of a dataset whose parts `map` has passed one by one.

    Args:
        stream: The `tf.data.Dataset`.
        parts: Tuple of what `map` passed.

    Returns:
        An element as the dataset's spec has it.
    """
    # A tuple with names is passed whole.
    return parts if type(stream.element_spec) is tuple else parts[0]
