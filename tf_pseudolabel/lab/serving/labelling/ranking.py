"""Where the surest rows of each class end, in memory that does not grow."""

import heapq
import typing

import numpy as np

# Of a rank, the highest first: 33, of which 31 are used.
_BITS = 11
_SHIFTS = (2 * _BITS, _BITS, 0)
_DIGITS = 1 << _BITS


class Cuts(typing.NamedTuple):
    """Where the surest rows of each class end.

    Attributes:
        ranks: int64 `(classes,)`: of the last row.
        last: A dict from classes to the last of several rows of that rank, a
            tuple as of `names`; where a class is not in it, all of them are in.
    """

    ranks: np.ndarray
    last: dict[int, tuple]

    def within(self, rows):
        """Tells which rows are among the surest.

        Args:
            rows: `Rows`.

        Returns:
            A bool array `(n,)`.
        """
        cut = self.ranks[rows.classes]
        found = rows.ranks >= cut
        for number, last in self.last.items():
            tied = _tied(rows, number, self.ranks)
            found[tied] = [name <= last for name in names(rows, tied)]
        return found


def names(rows, where):
    """Yields what orders rows that are equally sure: the id, then the input.

    Args:
        rows: `Rows`.
        where: Int array: which.
    """
    for row, name in zip(
        where.tolist(), rows.table["id"].take(where).to_pylist(), strict=True
    ):
        yield name, rows.number, row


def surest(reader, counts, seen):
    """Finds where the surest rows of each class end.

    Args:
        reader: A `Reader`, which is read up to four times.
        counts: int64 `(classes,)`: how many rows of each class are meant.
        seen: int64 `(classes,)`: how many there are, no fewer.

    Returns:
        `Cuts`.
    """
    if not ((counts > 0) & (counts < seen)).any():
        return Cuts(np.where(counts > 0, 0, 1 << _BITS * len(_SHIFTS)), {})
    ranks, left = np.zeros_like(counts), counts.copy()
    every = np.arange(len(counts))
    for shift in _SHIFTS:
        found = _counted(reader, ranks, shift)
        # From the surest: how many there are up to each digit.
        surer = np.cumsum(found[:, ::-1], axis=1)
        place = (surer < left[:, np.newaxis]).sum(axis=1)
        digit = _DIGITS - 1 - place
        tied = found[every, digit]
        left -= surer[every, place] - tied
        ranks = ranks << _BITS | digit
    split = np.flatnonzero((left > 0) & (left < tied))
    return Cuts(
        ranks, {int(x): _last(reader, ranks, x, left[x]) for x in split}
    )


def _counted(reader, ranks, shift):
    """Counts rows by class and digit, of ranks that begin with these."""
    found = np.zeros((len(ranks), _DIGITS), np.int64)
    for rows in reader:
        here = rows.ranks >> (shift + _BITS) == ranks[rows.classes]
        digits = rows.ranks[here] >> shift & (_DIGITS - 1)
        cells = rows.classes[here] * _DIGITS + digits
        found += np.bincount(cells, minlength=found.size).reshape(found.shape)
    return found


def _last(reader, ranks, number, count):
    tied = (
        name
        for rows in reader
        for name in names(rows, _tied(rows, number, ranks))
    )
    return heapq.nsmallest(int(count), tied)[-1]


def _tied(rows, number, ranks):
    return np.flatnonzero(
        (rows.classes == number) & (rows.ranks == ranks[number])
    )
