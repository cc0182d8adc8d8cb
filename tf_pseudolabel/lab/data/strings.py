"""Strings that are made when they are needed: a million take a few bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

_AT_ONCE = 4096


class Strings:
    """A sequence of strings, made of numbers whenever they are asked for.

    Args:
        make: From an int array `(k,)` to a list of k strings.
        numbers: `(n,)` int: the number of each.
    """

    def __init__(
        self, make: Callable[[np.ndarray], list[str]], numbers: np.ndarray
    ):
        self.make, self.numbers = make, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int | slice | np.ndarray) -> str | Strings:
        numbers = self.numbers[index]
        if np.ndim(numbers):
            return Strings(self.make, numbers)
        return self.make(np.array([numbers]))[0]

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self.make(self.numbers[start : start + _AT_ONCE])

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.array(self.tolist(), dtype or np.str_)

    def tolist(self) -> list[str]:
        """Returns all of them."""
        return list(self)

    def followed_by(self, other: Strings | np.ndarray) -> Strings | np.ndarray:
        """Returns these strings and then others.

        Args:
            other: m strings.

        Returns:
            n + m strings.
        """
        if isinstance(other, Strings) and other.make == self.make:
            numbers = np.concatenate([self.numbers, other.numbers])
            return Strings(self.make, numbers)
        return np.concatenate([self, other])


def hashes(strings: Sequence[str]) -> np.ndarray:
    """Returns a number for each, to find equal ones by.

    Of a million strings, two that differ have the same one once in 30 million
    times. In another process they have others.

    Args:
        strings: n strings.

    Returns:
        `(n,)` int64.
    """
    # Not NumPy's own kind of strings, whose hash is computed anew.
    every = strings.tolist() if isinstance(strings, np.ndarray) else strings
    return np.fromiter(map(hash, every), np.int64, len(strings))


def repeated(*parts: Sequence[str]) -> tuple[str, int] | None:
    """Finds the string that occurs most often.

    Args:
        *parts: Strings.

    Returns:
        A pair: the first of those, and how often; None: all differ.
    """
    found = np.concatenate([hashes(part) for part in parts])
    values, counts = np.unique(found, return_counts=True)
    if not len(counts) or counts.max() == 1:
        return None
    row = int(np.isin(found, values[counts == counts.max()]).argmax())
    for part in parts:
        if row < len(part):
            return str(part[row]), int(counts.max())
        row -= len(part)


def places(strings: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Says where strings stand among others.

    Args:
        strings: n strings that differ.
        wanted: m strings.

    Returns:
        `(m,)` int: their places among the n; -1 where they are none of them.
    """
    known, sought = hashes(strings), hashes(wanted)
    if not len(known):
        return np.full(len(sought), -1)
    order = np.argsort(known)
    found = np.searchsorted(known, sought, sorter=order)
    found = order[np.minimum(found, len(known) - 1)]
    return np.where(known[found] == sought, found, -1)
