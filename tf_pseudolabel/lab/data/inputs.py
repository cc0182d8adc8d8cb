"""The inputs of a source, read by row number inside of `tf.data`.

Which rows a batch holds is decided elsewhere, from a seed and a number; so runs
go on bit for bit, wherever their inputs lie.
"""

import abc

import numpy as np
import tensorflow as tf


class Inputs(abc.ABC):
    """A row of inputs for every example of a source.

    Attributes:
        spec: Nested `tf.TensorSpec` of one row.
        portable: Whether graphs that read rows also run in other processes.
    """

    spec = None
    portable = True

    @abc.abstractmethod
    def __len__(self):
        """How many rows there are."""

    @abc.abstractmethod
    def batch(self, rows):
        """Reads rows, in graphs, too.

        Args:
            rows: Int64 tensor `(k,)`.

        Returns:
            Nested tensors `(k, ...)`, as `spec` says of a row.
        """


class Held(Inputs):
    """Inputs in memory.

    Args:
        arrays: Nested arrays `(n, ...)`.
    """

    def __init__(self, arrays):
        # Where tf.data reads them, also on machines with a GPU.
        with tf.device("CPU:0"):
            self.tensors = tf.nest.map_structure(tf.constant, arrays)
        self.spec = tf.nest.map_structure(
            lambda x: tf.TensorSpec(x.shape[1:], x.dtype), self.tensors
        )

    def __len__(self):
        return int(tf.nest.flatten(self.tensors)[0].shape[0])

    def batch(self, rows):
        """Takes rows; see `Inputs.batch`."""
        return tf.nest.map_structure(lambda x: tf.gather(x, rows), self.tensors)


class Encoded(Inputs):
    """Inputs as a model makes them of others.

    Args:
        inputs: `Inputs`.
        encoder: A `keras.Model` of batches of these.
    """

    def __init__(self, inputs, encoder):
        self._inputs = inputs
        self._encoder = encoder
        self.spec = tf.nest.map_structure(
            lambda x: tf.TensorSpec(x.shape[1:], x.dtype), encoder.outputs
        )
        if len(encoder.outputs) == 1:
            (self.spec,) = self.spec
        self.portable = inputs.portable

    def __len__(self):
        return len(self._inputs)

    def batch(self, rows):
        """Encodes rows; see `Inputs.batch`."""
        return self._encoder(self._inputs.batch(rows))


class Kept(Inputs):
    """Rows of other inputs, made once and held.

    Args:
        inputs: `Inputs` of one tensor; integers below 2**31.
        rows: Int array `(n,)`: which of their rows these are.
        at_once: Int: rows that are made together. Defaults to 4096.
    """

    def __init__(self, inputs, rows, at_once=4096):
        self.spec = inputs.spec
        kind = self.spec.dtype.as_numpy_dtype
        held = np.empty(
            (len(rows), *self.spec.shape),
            np.int32 if self.spec.dtype.is_integer else kind,
        )
        make = tf.function(
            inputs.batch,
            input_signature=[tf.TensorSpec([None], tf.int64)],
            autograph=False,
        )
        with tf.device("CPU:0"):
            for start in range(0, len(rows), at_once):
                some = rows[start : start + at_once].astype(np.int64)
                held[start : start + at_once] = make(some).numpy()
            self._tensor = tf.constant(held)

    def __len__(self):
        return len(self._tensor)

    def batch(self, rows):
        """Takes rows; see `Inputs.batch`."""
        return tf.cast(tf.gather(self._tensor, rows), self.spec.dtype)


def read(inputs, rows, at_once=4096):
    """Reads rows into memory.

    Args:
        inputs: `Inputs`.
        rows: Int array `(n,)`.
        at_once: Int: rows that are read together. Defaults to 4096.

    Returns:
        Nested NumPy arrays `(n, ...)`.
    """
    # Also of none: a batch without rows has the shape of one.
    starts = range(0, max(len(rows), 1), at_once)
    with tf.device("CPU:0"):
        parts = [
            inputs.batch(tf.constant(rows[start : start + at_once], tf.int64))
            for start in starts
        ]
    return tf.nest.map_structure(
        lambda *tensors: np.concatenate([x.numpy() for x in tensors]), *parts
    )
