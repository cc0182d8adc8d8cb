"""Arrays whose labels are partly unknown, as merged streams."""

import numbers
import typing
import weakref

import keras
import numpy as np
import tensorflow as tf

from tf_pseudolabel.streams import array_inputs, array_labels, merging
from tf_pseudolabel.views import Viewed


def from_arrays(
    x,
    y,
    labeled_batch=32,
    unlabeled_batch=256,
    seed=0,
    sample_weight=None,
    numbered=False,
):
    """Makes merged streams of arrays, of which some rows have labels.

    An epoch is one pass over the unlabeled rows, as of `merge_streams`; labels
    are repeated, and go on in the next epoch where they were. Either stream is
    shuffled anew in each of its passes. What an update trains on is a function
    of the seed and of how many updates there were before it, so that runs
    repeat, and go on after a restart, exactly.

        stream = tpl.from_arrays(x, y)  # y = -1: unlabeled
        model.fit(stream, epochs=40, validation_data=(x_val, y_val))

    Args:
        x: Inputs, as for `keras.Model.fit`: an array `(rows, ...)` of numbers
            or strings, a list of rows, a tensor, or a tuple, dict or list of
            such for several inputs; floats become `keras.config.floatx()`.
            A table (`pandas.DataFrame`) becomes one float array `(rows,
            columns)` where all columns are numeric, and otherwise a dict of
            its columns `(rows, 1)` by their names, what the inputs of a
            `keras.utils.FeatureSpace` take. Arrays are not copied.
        y: Labels `(rows,)` or `(rows, 1)`: class ids from 0 on, booleans, or
            names, whose ids are their places in the sorted names (in the
            categories of a pandas `Categorical`). -1, None, NaN, NA, NaT or an
            empty string say that a row is unlabeled. Or one value per class
            `(rows, classes)`, unlabeled rows all 0 or NaN. Or class ids per
            position `(rows, positions, ...)`: rows of nothing but -1 are
            unlabeled; -1 at some positions needs a loss with
            `ignore_class=-1`.
        labeled_batch: Positive int: labeled rows of an update; all of them
            where there are fewer. Defaults to 32.
        unlabeled_batch: Positive int: the same of unlabeled rows. The last
            batch of a pass has the rows that are left. Defaults to 256.
        seed: Int: of the order. Defaults to 0.
        sample_weight: Numbers `(rows,)` or `(rows, 1)`, which go with their
            rows in both streams. Defaults to None.
        numbered: Whether unlabeled inputs are `tpl.views.Viewed`, with the
            number of each unlabeled row in the order of `y`, from 0 on: for
            parts that remember rows, such as `Curriculum`. Defaults to False.

    Returns:
        A `tf.data.Dataset` of pairs `(labeled batch, unlabeled batch)`. Its
        attribute `class_names` is a list of strings in the order of the ids,
        and None where labels came as numbers; as of Keras' own datasets, it is
        not handed on by `map` and its like.

    Raises:
        ValueError: If the rows do not match, `x` is no array, or `y` has
            no labels, no unlabeled row or a single class.
    """
    check_counts(labeled_batch=labeled_batch, unlabeled_batch=unlabeled_batch)
    arrays = read(x, y, sample_weight)
    known = arrays.labels.is_known
    merged = of_rows(
        arrays,
        (np.flatnonzero(known), np.flatnonzero(~known)),
        (labeled_batch, unlabeled_batch),
        seed,
        numbered=numbered,
    )
    merged.class_names = arrays.labels.names
    return merged


class Arrays(typing.NamedTuple):
    """What streams draw their rows from.

    Attributes:
        inputs: Nested arrays `(rows, ...)`.
        labels: `GivenLabels`.
        weights: Tuple of the sample weights; empty without.
    """

    inputs: typing.Any
    labels: array_labels.GivenLabels
    weights: tuple


def read(x, y, sample_weight=None):
    """Reads arrays; see `from_arrays`.

    Args:
        x: As for `from_arrays`.
        y: As for `from_arrays`.
        sample_weight: As for `from_arrays`.

    Returns:
        `Arrays`.

    Raises:
        ValueError: As for `from_arrays`.
    """
    labels = array_labels.read(y)
    inputs = array_inputs.read(x, len(labels.values))
    return Arrays(inputs, labels, _weights(sample_weight, len(labels.values)))


def of_rows(arrays, rows, batches, seed, steps=None, first=0, numbered=False):
    """Merges streams of some rows.

    Args:
        arrays: `Arrays`.
        rows: Pair of int arrays: the labeled rows and the unlabeled ones.
        batches: Pair of positive ints: how many of them an update has.
        seed: Int.
        steps: Updates of an epoch. Defaults to a pass over the unlabeled rows.
        first: Int: which update the first one of a training is.
        numbered: As for `from_arrays`.

    Returns:
        A `tf.data.Dataset` as from `from_arrays`.

    Raises:
        ValueError: If the seed is none.
    """
    if not isinstance(seed, numbers.Integral) or seed < 0:
        raise ValueError(
            f"`seed` must be an integer of at least 0; got {seed!r}."
        )
    inputs, labels, weights = arrays
    inputs_u = inputs
    if numbered:
        places = np.zeros(len(labels.values), "int64")
        places[rows[1]] = np.arange(len(rows[1]))
        inputs_u = Viewed(inputs, index=places)
    updates = _Updates(
        (inputs, labels.values, *weights),
        (inputs_u, *weights),
        # Two sides of equally many rows have orders of their own.
        _Passes(rows[0], batches[0], [seed, 0]),
        _Passes(rows[1], batches[1], [seed, 1]),
        steps,
        first,
    )
    merged = updates.epoch()
    merging.remember(merged, updates)
    return merged


def take(inputs, rows):
    """Takes rows of inputs, as a batch has them.

    Args:
        inputs: Nested arrays `(rows, ...)`.
        rows: Int array of their numbers.

    Returns:
        Nested arrays.
    """
    return tf.nest.map_structure(lambda array: _batch(array, rows), inputs)


class _Passes:
    """Some rows, over and over: which of them a batch has.

    Args:
        rows: Int array: their numbers.
        batch: Int: how many make a batch, at most.
        seed: List of ints.
    """

    def __init__(self, rows, batch, seed):
        self._rows = rows
        self._batch = min(int(batch), len(rows))
        self._seed = seed
        self._order = None, None
        self.steps = -(-len(rows) // self._batch)

    def batch(self, number):
        """The rows of a batch; every pass has an order of its own.

        Args:
            number: Int, counted from 0.

        Returns:
            An int array `(batch,)`.
        """
        current, step = divmod(number, self.steps)
        drawn, order = self._order
        if drawn != current:
            random = np.random.default_rng([*self._seed, current])
            order = random.permutation(self._rows)
            self._order = current, order
        return order[step * self._batch : (step + 1) * self._batch]


class _Updates:
    """What updates train on, from where training is.

    The arrays stay where they are, and may be on disk (`numpy.memmap`):
    TensorFlow would copy them, and again for each epoch.

    Args:
        labeled: Nested arrays `(all rows, ...)`.
        unlabeled: The same, without labels.
        passes: `_Passes` of the labeled rows.
        passes_u: `_Passes` of the unlabeled rows.
        steps: Updates of an epoch; None: one of these passes.
        first: Int: which update a training begins with.
    """

    def __init__(self, labeled, unlabeled, passes, passes_u, steps, first):
        self._arrays = labeled, unlabeled
        self._passes = passes, passes_u
        self._steps = steps or passes_u.steps
        self._first = self._next = first

    def go_to(self, number):
        """Has the next epoch begin with the update of a number.

        Args:
            number: Int, counted from 0 in a training.
        """
        self._next = self._first + int(number)

    def shard(self, shard):
        """Refused: there are no files of which a machine could read its own."""
        raise ValueError(
            "AutoShardPolicy.FILE gives each machine files of its own; got it "
            "for arrays. Choose DATA, of which each machine takes its part of "
            "every batch, or OFF, if the arrays of each machine are its own."
        )

    def epoch(self):
        """Returns a `tf.data.Dataset` of pairs, as many as an epoch has."""
        specs = tf.nest.map_structure(_spec, self._arrays)
        flat = tf.nest.flatten(specs)
        steps = self._steps

        @tf.autograph.experimental.do_not_convert
        def begun(_):
            first = tf.numpy_function(_weakly(self._begin), [], tf.int64)
            return tf.data.Dataset.range(first, first + steps)

        @tf.autograph.experimental.do_not_convert
        def update(number):
            dtypes = [spec.dtype for spec in flat]
            values = tf.numpy_function(_weakly(self._draw), [number], dtypes)
            for value, spec in zip(values, flat, strict=True):
                value.set_shape(spec.shape)
            labeled, unlabeled = tf.nest.pack_sequence_as(specs, values)
            return labeled, _without_labels(*unlabeled)

        # A function is called anew whenever an epoch begins.
        numbers = tf.data.Dataset.range(1).flat_map(begun).map(update)
        return numbers.apply(tf.data.experimental.assert_cardinality(steps))

    def _begin(self):
        first = self._next
        self._next += self._steps
        return np.int64(first)

    def _draw(self, number):
        return [
            _batch(array, rows)
            for arrays, passes in zip(self._arrays, self._passes, strict=True)
            for rows in [passes.batch(int(number))]
            for array in tf.nest.flatten(arrays)
        ]


def _weakly(method):
    """A function that does not keep the arrays: TensorFlow keeps it for ever.

    They live as long as the stream, or one that was made of it.
    """
    reference = weakref.WeakMethod(method)
    return lambda *args: reference()(*args)


def _without_labels(x, weight=None):
    """An element of the unlabeled stream."""
    return (x,) if weight is None else (x, None, weight)


def _dtype(array):
    """The type of a batch; floats are of that in which Keras computes."""
    dtype = tf.as_dtype(array.dtype)
    return tf.as_dtype(keras.config.floatx()) if dtype.is_floating else dtype


def _spec(array):
    return tf.TensorSpec([None, *array.shape[1:]], _dtype(array))


def _batch(array, rows):
    dtype = _dtype(array)
    found = array[rows]
    return (
        found
        if dtype == tf.string
        else found.astype(dtype.as_numpy_dtype, copy=False)
    )


def check_counts(**sizes):
    """Refuses counts that are none.

    Args:
        **sizes: What should be positive ints, by the names of the arguments.

    Raises:
        ValueError: If one is something else.
    """
    for name, size in sizes.items():
        if not isinstance(size, numbers.Integral) or size < 1:
            raise ValueError(
                f"`{name}` must be an integer of at least 1; got {size!r}."
            )


def _weights(sample_weight, rows):
    """A tuple of the weights as an array; empty without."""
    if sample_weight is None:
        return ()
    weights = array_labels.as_array(sample_weight)
    if weights.dtype.kind not in "biuf" or weights.shape[:1] != (rows,):
        raise ValueError(
            "`sample_weight` must hold a number for each row of `y`, "
            f"({rows},) or ({rows}, 1); got {weights.dtype} {weights.shape}."
        )
    return (weights,)
