"""The same row in several sets: what is measured on is not trained on."""

import numpy as np
import pandas as pd

# A row in several sets is left in the first of these alone.
ORDER = ("test", "validation", "labeled", "unlabeled")


def without(keys, labels, sets, what="rows"):
    """Leaves every row in one set.

    Rows that others are held out of, the labeled ones, are also taken once.

    Args:
        keys: `(n,)` array; equal where rows are the same.
        labels: `(n,)` int64; -1 where unknown.
        sets: A dict from names of `ORDER` to the numbers of their rows.
        what: What rows are called.

    Returns:
        A pair: such a dict, and what must be said, a list of sentences.
    """
    pool = np.concatenate([sets[name] for name in ORDER[2:] if name in sets])
    notes = _conflicts(keys, labels, sets["labeled"], what)
    # Few columns of few values: equal rows are others that look the same.
    if 2 * _count_different(keys[pool]) < len(pool):
        return sets, [
            *notes,
            f"More than half of the {what} repeat others, so that the same "
            f"{what} may be in several sets; they are left there.",
        ]
    left, seen = {}, {}
    for name in (name for name in ORDER if name in sets):
        rows = sets[name]
        for other, of_other in seen.items():
            again = np.isin(keys[rows], of_other)
            notes += _said(name, f"{other} {what}", again.sum(), what)
            rows = rows[~again]
        seen[name] = keys[rows]
        if name == "labeled":
            some = _repeated(keys[rows])
            again = some[_pairs(keys, labels, rows[some]).duplicated()]
            notes += _said(name, "others", len(again), what)
            rows = np.delete(rows, again)
        left[name] = rows
    return left, notes


def _said(name, others, count, what):
    if not count:
        return []
    return [f"Left out of the {name} {what}, as copies of {others}: {count}."]


def _conflicts(keys, labels, rows, what):
    pairs = _pairs(keys, labels, rows[_repeated(keys[rows])])
    pairs = pairs.drop_duplicates()
    several = int((pairs["key"].value_counts() > 1).sum())
    if not several:
        return []
    return [f"The same {what} with different labels: {several}; all are kept."]


def _pairs(keys, labels, rows):
    return pd.DataFrame({"key": keys[rows], "label": labels[rows]})


def _repeated(keys):
    """The places of keys that occur several times; few are, of many rows."""
    order = np.argsort(keys)
    same = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
    return np.unique(order[np.concatenate([same, same + 1])])


def _count_different(keys):
    keys = np.sort(keys)
    return len(keys) and 1 + np.count_nonzero(keys[1:] != keys[:-1])
