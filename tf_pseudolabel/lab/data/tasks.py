"""What a network is to learn: rows as it takes them, and their classes."""

import typing

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


def task_of(data, split, network=None):
    """Encodes a split.

    Args:
        data: A `Data`.
        split: A `Split` of it.
        network: As for `Task`.

    Returns:
        A `Task`.
    """
    encoding = data.kind.encoding(split)
    classes = len(data.class_names)
    return Task(encoding.of(split), encoding, classes, network)
