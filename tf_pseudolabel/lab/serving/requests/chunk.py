"""Some rows that a model is asked for, named before they are read."""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import os
import pathlib
import typing

import numpy as np

from tf_pseudolabel.lab.data import files
from tf_pseudolabel.lab.errors import InputError, reason_of

# Rows that are asked for together.
AT_ONCE = 256
# Of a chunk.
MOST_FILES = 1_000
MOST_ROWS = 10_000


class Bad(typing.NamedTuple):
    """A row that cannot be read.

    Attributes:
        id: Its name.
        reason: Why.
    """

    id: str
    reason: str


class Rows(typing.NamedTuple):
    """Rows of a chunk.

    Attributes:
        ids: A list of n names.
        inputs: A dict from inputs of the model to arrays `(n, ...)`.
        bad: A list of `Bad`: further rows, which cannot be read.
    """

    ids: list[str]
    inputs: dict[str, np.ndarray]
    bad: list[Bad]


@dataclasses.dataclass(frozen=True)
class Chunk(abc.ABC):
    """Some rows of an input; it can be pickled, and read anywhere.

    Attributes:
        key: A digest of all that decides what is read: an input that changes
            has other chunks.
        size: How many rows there are at most.
    """

    key: str
    size: int

    @abc.abstractmethod
    def read(self) -> typing.Iterator[Rows]:
        """Reads the rows.

        Yields:
            `Rows` of which n is at most `AT_ONCE`.
        """


def key_of(paths: typing.Iterable[str], *others: typing.Any) -> str:
    """Returns the key of a chunk.

    Args:
        paths: Of the files that it reads.
        *others: What else decides what is read; their `repr` counts.
    """
    digest = hashlib.blake2b(repr(others).encode(), digest_size=16)
    for path in paths:
        try:
            status = os.stat(path)
            seen = f"{status.st_size} {status.st_mtime_ns} "
        except OSError as error:
            seen = f"{error.errno} "
        digest.update(seen.encode() + os.fsencode(path) + b"\0")
    return digest.hexdigest()


def name_of(path: str | pathlib.Path) -> str:
    """Returns the name of a file: as it was given, in one line.

    Args:
        path: Its path.
    """
    return files.name_of(os.fspath(path))


def check_readable(path: str | pathlib.Path):
    """Refuses a file that cannot be read.

    Args:
        path: Its path.

    Raises:
        InputError: If it cannot.
    """
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise InputError(
            f"an input must be a file that can be read; got "
            f"{files.shown(path)} ({reason_of(error)}); correct the path"
        ) from None
