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
    """

    split: Split
    encoding: Encoding
    classes: int


def task_of(data, split):
    """Encodes a split.

    Args:
        data: A `Data`.
        split: A `Split` of it.

    Returns:
        A `Task`.
    """
    encoding = data.kind.encoding(split)
    return Task(encoding.of(split), encoding, len(data.class_names))
