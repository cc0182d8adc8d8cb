"""What a network is to learn: rows as it takes them, and their classes."""

import dataclasses
import typing

import keras
import tensorflow as tf

from tf_pseudolabel.lab.data.kinds import Encoding
from tf_pseudolabel.lab.data.splits import Split


class Task(typing.NamedTuple):
    """A split, encoded for a network.

    Attributes:
        split: The `Split`, of encoded rows.
        encoding: How raw inputs become these.
        classes: Int: the number of classes.
        network: What builds the network, where the recipe's name does not:
            a function of the specification of a row and of `classes`.
    """

    split: Split
    encoding: Encoding
    classes: int
    network: typing.Any = None


def task_of(data, split, network=None, floats=False):
    """Encodes a split.

    Args:
        data: A `Data`.
        split: A `Split` of it.
        network: As for `Task`.
        floats: Whether pixels become floats, of which parts of the method can
            take fractions.

    Returns:
        A `Task`.
    """
    encoding = data.kind.encoding(split)
    if floats and getattr(encoding.spec, "dtype", None) == tf.uint8:
        encoding = _as_floats(encoding)
    classes = len(data.class_names)
    return Task(encoding.of(split), encoding, classes, network)


def _as_floats(encoding):
    """An encoding of pixels as they are, in floats."""
    spec = encoding.spec
    model = keras.Sequential(
        [
            keras.Input(spec.shape, dtype=spec.dtype.name, name="images"),
            keras.layers.Rescaling(1.0, dtype="float32"),
        ],
        name="floats",
    )
    return dataclasses.replace(
        encoding, model=model, spec=tf.TensorSpec(spec.shape, tf.float32)
    )
