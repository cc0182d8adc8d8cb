"""Which labels are kept, and how often."""

from __future__ import annotations

import dataclasses
import fractions
import math
import typing

import numpy as np

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving.labelling import ranking


@dataclasses.dataclass(frozen=True)
class Keep:
    """What is kept: a row that every rule keeps.

    Attributes:
        confidence: The least one, from 0 to 1; None: any.
        most_per_class: The surest so many rows of each class; None: all.
        share: The surest share of the rows of each class, above 0 up to 1,
            rounded up; None: all.
        balance: Whether rows of smaller classes are repeated until their class
            is as large as the largest, the surest first.
    """

    confidence: float | None = None
    most_per_class: int | None = None
    share: float | None = None
    balance: bool = False

    def __post_init__(self):
        if None not in (self.most_per_class, self.share):
            raise InputError(
                "--most_per_class and --share both say how many rows of a "
                f"class are kept; got {self.most_per_class} and {self.share}; "
                "give one of them"
            )
        _check("confidence", self.confidence, 0 <= (self.confidence or 0) <= 1)
        share = 1 if self.share is None else self.share
        _check("share", self.share, 0 < share <= 1)
        most = 1 if self.most_per_class is None else self.most_per_class
        _check("most_per_class", self.most_per_class, most >= 1)

    def counts(self, seen, sure):
        """Says how many rows of each class are kept, which are the surest.

        Args:
            seen: int64 `(classes,)`: how many there are.
            sure: int64 `(classes,)`: how many are sure enough.

        Returns:
            int64 `(classes,)`.
        """
        most = seen
        if self.most_per_class is not None:
            most = np.minimum(seen, self.most_per_class)
        if self.share is not None:
            # As written: 0.07 of 100 rows are 7.
            share = fractions.Fraction(str(self.share))
            most = np.array([math.ceil(share * int(x)) for x in seen], np.int64)
        return np.minimum(most, sure)


def _check(name, value, holds):
    if not holds:
        rule = {
            "confidence": "from 0 to 1",
            "share": "above 0 and at most 1",
            "most_per_class": "1 or more",
        }[name]
        raise InputError(f"--{name} must be {rule}; got {value}; change it")


class Seen(typing.NamedTuple):
    """What shards of scores hold.

    Attributes:
        rows: int64 `(classes,)`: rows by class.
        sure: int64 `(classes,)`: of these, rows that are sure enough.
        people: How many of them have a label that a person gave.
        corrected: Ids of these, a set.
        bad: How many rows have no label.
    """

    rows: np.ndarray
    sure: np.ndarray
    people: int
    corrected: set[str]
    bad: int


def seen(reader, confidence, aside):
    """Counts rows.

    Args:
        reader: A `Reader`.
        confidence: The least one, or None.
        aside: Called with every `pyarrow.Table` of rows without a label.

    Returns:
        `Seen`.
    """
    count = len(reader.class_names)
    found, sure = np.zeros(count, np.int64), np.zeros(count, np.int64)
    people, corrected, bad = 0, set(), 0
    for rows in reader:
        found += np.bincount(rows.classes, minlength=count)
        confidences = rows.table["confidence"].to_numpy()
        # As floats of the model: what it calls 0.9 is 0.9.
        is_sure = confidences >= np.float32(confidence or 0)
        sure += np.bincount(rows.classes[is_sure], minlength=count)
        by_person = rows.table["source"].to_numpy() == "person"
        people += int(by_person.sum())
        corrected |= {*rows.table["id"].filter(by_person).to_pylist()}
        bad += len(rows.bad)
        aside(rows.bad)
    return Seen(found, sure, people, corrected, bad)


class Plan(typing.NamedTuple):
    """How often each row is written.

    Attributes:
        kept: int64 `(classes,)`: how many rows.
        times: int64 `(classes,)`: how often each.
        more: int64 `(classes,)`: how many once more.
        cuts: `Cuts` of the rows that are kept.
        more_cuts: `Cuts` of those that are written once more.
    """

    kept: np.ndarray
    times: np.ndarray
    more: np.ndarray
    cuts: ranking.Cuts
    more_cuts: ranking.Cuts

    @property
    def written(self):
        """int64 `(classes,)`: rows of each class."""
        return self.kept * self.times + self.more

    def copies(self, rows):
        """Returns how often each row is written.

        Args:
            rows: `Rows`.

        Returns:
            An int64 array `(n,)`.
        """
        times = self.times[rows.classes]
        more = self.more_cuts.within(rows)
        return np.where(self.cuts.within(rows), times, 0) + more


def plan(reader, keep, seen):
    """Finds the rows that are kept.

    Args:
        reader: A `Reader`.
        keep: `Keep`.
        seen: `Seen`.

    Returns:
        A `Plan`.
    """
    kept = keep.counts(seen.rows, seen.sure)
    times, more = np.ones_like(kept), np.zeros_like(kept)
    if keep.balance:
        there = np.maximum(kept, 1)
        times, more = np.divmod(kept.max(initial=0), there)
        more[kept == 0] = 0
    return Plan(
        kept,
        times,
        more,
        ranking.surest(reader, kept, seen.rows),
        ranking.surest(reader, more, seen.rows),
    )
