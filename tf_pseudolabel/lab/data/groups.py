"""Rows that stay on one side of a split together, as those of a patient."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from tf_pseudolabel.lab.errors import InputError

# The last groups that fit, and as many others, among which sums are sought.
_NEAR = 250


def of_folders(ids: Iterable[str], level: int, below: int) -> np.ndarray:
    """Returns the folder that names the group of every file.

    Args:
        ids: n ids: the name of a set, folders and a file, with slashes.
        level: Which folder counts, from 1.
        below: How many folders stand in front of these: 1 where there are
            class folders.

    Returns:
        `(n,)` str; "" where a file does not lie that deep.
    """
    folders = [x.split("/")[1 + below : -1] for x in ids]
    return np.array([(x[level - 1 :] or [""])[0] for x in folders], np.str_)


def clear_of(groups: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Says which rows share no group with others.

    Args:
        groups: `(n,)` str; "" is no group.
        others: `(m,)` str.

    Returns:
        `(n,)` bool.
    """
    clear = groups == ""
    clear[~clear] = ~np.isin(groups[~clear], others)
    return clear


def check_apart(sets: dict[str, np.ndarray]):
    """Refuses a group on two sides: test, validation, and all the others.

    Args:
        sets: Groups `(n,)` by the name of their set; "" is no group.

    Raises:
        InputError: Two sides have a group in common.
    """
    for side in ("test", "validation"):
        for name, others in sets.items():
            if side not in sets or name == side:
                continue
            shared = sets[side][~clear_of(sets[side], others)]
            if len(shared):
                raise InputError(
                    f"a group must be on one side of a split; got "
                    f'"{shared[0]}" in {side} and {name} '
                    f"({len(np.unique(shared))} such groups); move or remove "
                    "its rows"
                )


def hold_out(
    groups: np.ndarray,
    labels: np.ndarray,
    count: int,
    order: Callable[[np.ndarray], np.ndarray],
    keep_last: bool,
) -> np.ndarray:
    """Chooses whole groups with as many rows as can be, but no more than asked.

    Args:
        groups: `(n,)` str; a row of "" is a group of its own.
        labels: `(n,)` class ids.
        count: Rows that are asked for.
        order: From the commonest class of every group to an order of groups;
            the first are taken where that comes as near.
        keep_last: Whether every class stays in a group that is not chosen.

    Returns:
        `(n,)` bool: the rows of the chosen groups.
    """
    units = _numbers(groups)
    classes = labels.max() + 1
    pairs, rows = np.unique(units * classes + labels, return_counts=True)
    units_of, labels_of = np.divmod(pairs, classes)
    commonest = np.empty(units.max() + 1, np.int64)
    rising = np.argsort(rows, kind="stable")
    commonest[units_of[rising]] = labels_of[rising]
    ranked = order(commonest)
    if keep_last:
        rank = np.argsort(ranked)
        last = np.full(classes, -1)
        np.maximum.at(last, labels_of, rank[units_of])
        ranked = np.delete(ranked, last[last >= 0])
    chosen = ranked[_nearest(np.bincount(units)[ranked], count)]
    return np.isin(units, chosen)


def _numbers(groups: np.ndarray) -> np.ndarray:
    names, numbers = np.unique(groups, return_inverse=True)
    alone = groups == ""
    numbers[alone] = len(names) + np.arange(alone.sum())
    return np.unique(numbers, return_inverse=True)[1]


def _nearest(sizes: np.ndarray, count: int) -> np.ndarray:
    """Returns which sizes sum up nearest to `count`, not above it: bool."""
    chosen, left = np.zeros(len(sizes), bool), count
    for row, size in enumerate(sizes.tolist()):
        if size <= left:
            chosen[row] = True
            left -= size
    if not left:
        return chosen
    # Some that fit are exchanged for others.
    last, others = np.flatnonzero(chosen)[-_NEAR:], np.flatnonzero(~chosen)
    near = np.sort(np.append(last, others[:_NEAR]))
    left += int(sizes[last].sum())
    # Bit s of a number: some of the sizes behind sum up to s.
    sums = [1]
    for size in sizes[near[::-1]].tolist():
        sums.append((sums[-1] | sums[-1] << size) & ((2 << left) - 1))
    left = sums.pop().bit_length() - 1
    for row in near:
        size, behind = int(sizes[row]), sums.pop()
        chosen[row] = size <= left and behind >> (left - size) & 1
        left -= size * int(chosen[row])
    return chosen
