"""Which rows are labeled, unlabeled, held for validation, or test."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from tf_pseudolabel.lab.data import groups, strings
from tf_pseudolabel.lab.data.examples import Data, Examples, groups_of
from tf_pseudolabel.lab.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Four disjoint sets of examples.

    Args:
        labeled: Rows trained on with their classes.
        unlabeled: Rows trained on without; their labels, where known, stay in
            place and serve measurements only.
        validation: Rows for choosing among models.
        test: Rows for the final score.
    """

    labeled: Examples
    unlabeled: Examples
    validation: Examples
    test: Examples

    def ids(self) -> dict[str, list[str]]:
        """Returns the ids of each set, in order, ready for JSON."""
        return {
            field.name: getattr(self, field.name).ids.tolist()
            for field in dataclasses.fields(self)
        }

    def named(self) -> dict[str, Sequence[str]]:
        """Returns the same; of many ids, not all are made at once."""
        return {name: part.ids for name, part in vars(self).items()}


def draw(
    data: Data,
    *,
    num_labeled: int | None = None,
    num_validation: int | None = None,
    num_test: int | None = None,
    num_unlabeled: int | None = None,
    seed: int,
    split: str = "balanced",
    held_out: str = "balanced",
    ids: dict[str, list[str]] | None = None,
) -> Split:
    """Draws a split from one seed.

    Test rows are drawn first, then validation, labeled and unlabeled rows,
    each from a random stream of its own. So with the same seed and otherwise
    the same counts, validation and test rows do not depend on `num_labeled`,
    and the labeled rows of a smaller count are among those of a larger one.

    Rows of one group are all test rows, all validation rows, or all trained on:
    labeled or not. Whole groups are held out, as many rows as can be, but no
    more than asked for.

    Args:
        data: Where the rows come from.
        num_labeled: At least one per class. None: all that are left.
        num_validation: With `data.validation`, that many random rows of it,
            None: all. Without, rows held out of `data.train`, None: a tenth,
            200 at most.
        num_test: The same with `data.test`, but None: a fifth.
        num_unlabeled: Random rows of `data.unlabeled` and what remains of
            `data.train`. None: all.
        seed: Not negative.
        split: How `num_labeled` rows are drawn: "balanced", so that class
            counts differ by one at most, or "stratified", in proportion to the
            classes and at least one of each.
        held_out: How validation and test rows are held out: "balanced", as
            balanced as they can be, or "stratified", in proportion, at least
            one of each class and never its last one.
        ids: Sets that are not drawn, as in `Split.ids`; the others are drawn
            from the rest. None: all are drawn.

    Returns:
        The split.

    Raises:
        InputError: A count is not positive, more than there is, or that of a
            set in `ids`; a class has too few rows for balanced labels; no group
            is small enough; `ids` are not as in `restore`, or part a group; or
            no row is left unlabeled.
    """
    _check_arguments(
        seed,
        num_labeled=num_labeled,
        num_validation=num_validation,
        num_test=num_test,
        num_unlabeled=num_unlabeled,
    )
    given = _given(data, {} if ids is None else ids)
    _check_drawn(given, num_labeled, num_validation, num_test, num_unlabeled)
    rngs = np.random.default_rng(seed).spawn(4)
    rows, classes = len(data.train), len(data.class_names)
    pool = np.ones(rows, bool)
    for part in given.values():
        pool[_places(data.train, part.ids)] = False
    pool = np.flatnonzero(pool)
    default = max(rows // 5, classes)
    if data.validation is None:
        # Of few rows, some are left for it, too.
        default = min(default, max((rows - classes) // 2, 1))
    sets = dict(given)
    hold_out = functools.partial(_hold_out, data, held_out=held_out)
    if "test" not in sets:
        sets["test"], pool = hold_out(
            "test", pool, num_test, default, rngs[0], sets
        )
    default = max(min(rows // 10, 200), classes)
    if "validation" not in sets:
        sets["validation"], pool = hold_out(
            "validation", pool, num_validation, default, rngs[1], sets
        )
    kept_apart = [sets["test"], sets["validation"]]
    pool = pool[_clear(data.train.take(pool), kept_apart)]
    if "labeled" not in sets:
        labeled, pool = _draw_labeled(data, pool, num_labeled, rngs[2], split)
        sets["labeled"] = data.train.take(labeled)
    if "unlabeled" not in sets:
        rest = _and(data.unlabeled, data.train.take(pool))
        rest = rest.take(np.flatnonzero(_clear(rest, kept_apart)))
        sets["unlabeled"] = _draw_unlabeled(rest, num_unlabeled, rngs[3])
    return Split(**sets)


def restore(data: Data, ids: dict[str, list[str]]) -> Split:
    """Takes the rows of an earlier split again.

    Args:
        data: The source that the split was drawn from.
        ids: What `Split.ids` returned.

    Returns:
        The split, its rows in the order of `ids`.

    Raises:
        InputError: `ids` lacks a set, names a row that `data` does not have,
            or names a row twice.
    """
    if isinstance(ids, dict) and len(ids) < len(_SETS):
        raise InputError(
            f"a split must hold the sets {_SETS}; got {sorted(ids)}; draw the "
            "split again"
        )
    return Split(**_given(data, ids))


_SETS = tuple(field.name for field in dataclasses.fields(Split))


def _given(data: Data, ids: dict[str, list[str]]) -> dict[str, Examples]:
    """Returns the rows of the sets that `ids` names, in that order."""
    if not isinstance(ids, dict) or not ids.keys() <= set(_SETS):
        raise InputError(
            f"the sets of a split are {', '.join(_SETS)}; got "
            f"{sorted(ids) if isinstance(ids, dict) else ids!r}; name these"
        )
    for part, names in ids.items():
        if not (names and _are_names(names)):
            raise InputError(
                "a set of a split must be a list of ids; got "
                f"{str(names)[:80]} for {part}; list its ids, or leave it out"
            )
    twice = strings.repeated([], *ids.values())
    if twice is not None:
        raise InputError(
            "the sets of a split must be disjoint; got id "
            f"{twice[0]} {twice[1]} times; name it once"
        )
    pools = {
        "labeled": data.train,
        "unlabeled": data.unlabeled or data.train,
        "validation": data.validation or data.train,
        "test": data.test or data.train,
    }
    if data.unlabeled is not None and "unlabeled" in ids:
        left_over = np.sort(_places(data.train, ids["unlabeled"]))
        pools["unlabeled"] = _and(data.unlabeled, data.train.take(left_over))
    sets = {part: _take_ids(part, pools[part], ids[part]) for part in ids}
    groups.check_apart({n: groups_of(part) for n, part in sets.items()})
    return sets


def _places(examples: Examples, ids: Sequence[str]) -> np.ndarray:
    """The rows that ids name; other ids are passed over."""
    found = strings.places(examples.ids, ids)
    return found[found >= 0]


def _are_names(names: list[str]) -> bool:
    return isinstance(names, list) and all(isinstance(x, str) for x in names)


def _check_drawn(given: dict[str, Examples], *counts: int | None):
    names = ("labeled", "validation", "test", "unlabeled")
    for name, count in zip(names, counts, strict=True):
        if name in given and count is not None:
            raise InputError(
                f"num_{name} says how many are drawn; got {count}, and the "
                f"{len(given[name])} ids of the {name} set; leave one out"
            )


def _clear(examples: Examples, others: list[Examples]) -> np.ndarray:
    """Returns which rows share no group with those of other sets."""
    named = [groups_of(part) for part in others]
    return groups.clear_of(groups_of(examples), np.concatenate([[""], *named]))


def _check_arguments(seed: int, **counts: int | None):
    if seed < 0:
        raise InputError(
            f"seed must not be negative; got {seed}; give 0 or more"
        )
    for name, count in counts.items():
        if count is not None and count < 1:
            raise InputError(
                f"{name} must be at least 1; got {count}; raise it"
            )


def _check_room(name: str, count: int, available: int):
    if count > available:
        raise InputError(
            f"{name} must be at most {available}, the rows that are left for "
            f"it; got {count}; lower it or bring more examples"
        )


def _hold_out(
    data: Data,
    name: str,
    pool: np.ndarray,
    count: int | None,
    default: int,
    rng: np.random.Generator,
    others: dict[str, Examples],
    held_out: str,
) -> tuple[Examples, np.ndarray]:
    """Takes test or validation rows: the source's own, or some of `pool`.

    Returns:
        A pair: these, and what is left of the pool.
    """
    given = getattr(data, name)
    if given is not None:
        if count is not None:
            _check_room(f"num_{name}", count, len(given))
        return _sample(given, count, rng), pool
    whole = pool
    pool = pool[_clear(data.train.take(pool), list(others.values()))]
    labels, keep_last = data.train.labels[pool], held_out == "stratified"
    room = len(pool) - (len(np.unique(labels)) if keep_last else 1)
    if keep_last and room < 1:
        raise InputError(
            f"{name} examples are held out of classes with two examples or "
            f"more; got none of these; give {name} examples of their own, or "
            "bring more"
        )
    if count is None:
        count = min(default, room) if keep_last else default
    _check_room(f"num_{name}", count, room)
    order = functools.partial(
        _order, num_classes=len(data.class_names), rng=rng, spread=held_out
    )
    if data.train.groups is None:
        chosen = order(labels, keep_last=keep_last)[:count]
        return data.train.take(pool[chosen]), _without(whole, pool[chosen])
    grouped = data.train.groups[pool]
    chosen = groups.hold_out(grouped, labels, count, order, keep_last)
    if not chosen.any():
        raise InputError(
            f"{name} examples are whole groups, and those that may be held out "
            f"have more than num_{name} examples each; got {count}; raise "
            f"num_{name}, or give {name} examples of their own"
        )
    return data.train.take(pool[chosen]), _without(whole, pool[chosen])


def _without(pool: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return pool[~np.isin(pool, rows)]


def _draw_labeled(
    data: Data,
    pool: np.ndarray,
    count: int | None,
    rng: np.random.Generator,
    split: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Splits the rows `pool` into labeled ones and the rest."""
    if count is None:
        return pool, pool[:0]
    _check_count(data, count)
    if split == "stratified":
        _check_room("num_labeled", count, len(pool))
    else:
        _check_balance(data, pool, count)
    labels = data.train.labels[pool]
    order = _order(labels, len(data.class_names), rng, split)
    return pool[order[:count]], pool[np.sort(order[count:])]


def _check_count(data: Data, num_labeled: int):
    num_classes = len(data.class_names)
    if num_labeled < num_classes:
        raise InputError(
            f"num_labeled must be at least {num_classes}, one per class; "
            f"got {num_labeled}; raise it"
        )


def _check_balance(data: Data, pool: np.ndarray, num_labeled: int):
    num_classes = len(data.class_names)
    available = np.bincount(data.train.labels[pool], minlength=num_classes)
    share, extra = divmod(num_labeled, num_classes)
    # Any `extra` classes may give one row more, so only these need it.
    if available.min() < share or (available > share).sum() < extra:
        scarce = available.argmin()
        most = (np.minimum(available, available[scarce] + 1)).sum()
        to = f" to {most}" if most >= num_classes else ""
        raise InputError(
            "labeled rows must be balanced over the classes; class "
            f'"{data.class_names[scarce]}" has {available[scarce]} rows left '
            f"and {share + (extra > 0)} were asked of it; lower num_labeled "
            f"({num_labeled}){to}, num_validation or num_test, or give "
            "--split=stratified"
        )


def _draw_unlabeled(
    source: Examples, num_unlabeled: int | None, rng: np.random.Generator
) -> Examples:
    if not len(source):
        raise InputError(
            "there must be unlabeled examples; got none, as every label is "
            "used; bring some, or give a smaller --num_labeled: labels that "
            "are left over serve as unlabeled examples"
        )
    _check_room("num_unlabeled", num_unlabeled or 1, len(source))
    return _sample(source, num_unlabeled, rng)


def _and(first: Examples | None, second: Examples) -> Examples:
    if first is None or not len(second):
        return first or second
    return first.followed_by(second)


def _sample(
    examples: Examples, count: int | None, rng: np.random.Generator
) -> Examples:
    rows = rng.permutation(len(examples))[:count]
    return examples.take(np.sort(rows))


def _order(
    labels: np.ndarray,
    num_classes: int,
    rng: np.random.Generator,
    spread: str,
    keep_last: bool = False,
) -> np.ndarray:
    """Shuffles rows so that every prefix is balanced, or in proportion.

    The classes take turns, in one random order, until they run out: one row
    each, or in proportion to their sizes once each has had one. Being prefixes
    of one order is what nests smaller draws in larger ones. With `keep_last`
    the last row of every class comes after all others.
    """
    turn = rng.permutation(num_classes)
    shuffled = rng.permutation(len(labels))
    classes = labels[shuffled]
    times = np.empty(len(labels))
    for index in range(num_classes):
        (rows,) = np.nonzero(classes == index)
        times[rows] = np.arange(len(rows))
        if spread == "stratified":
            times[rows] = (times[rows] + 0.5) / max(len(rows), 1)
            times[rows[:1]] = 0
        if keep_last:
            times[rows[-1:]] = np.inf
    return shuffled[np.lexsort((turn[classes], times))]


def _take_ids(part: str, pool: Examples, wanted: list[str]) -> Examples:
    rows = strings.places(pool.ids, wanted)
    missing = np.flatnonzero(rows < 0)
    if len(missing):
        raise InputError(
            f"every id of the {part} set must be in the source; got "
            f"{wanted[missing[0]]} ({len(missing)} such ids); use the examples "
            "that the ids are of"
        )
    return pool.take(rows)
