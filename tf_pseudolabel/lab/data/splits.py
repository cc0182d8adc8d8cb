"""Which rows are labeled, unlabeled, held for validation, or test."""

from __future__ import annotations

import dataclasses

import numpy as np

from tf_pseudolabel.lab.data.examples import Data, Examples
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
) -> Split:
    """Draws a split from one seed.

    Test rows are drawn first, then validation, labeled and unlabeled rows,
    each from a random stream of its own. So with the same seed and otherwise
    the same counts, validation and test rows do not depend on `num_labeled`,
    and the labeled rows of a smaller count are among those of a larger one.

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

    Returns:
        The split.

    Raises:
        InputError: A count is not positive or more than there is, a class has
            too few rows for balanced labels, or no row is left unlabeled.
    """
    _check_arguments(
        seed,
        num_labeled=num_labeled,
        num_validation=num_validation,
        num_test=num_test,
        num_unlabeled=num_unlabeled,
    )
    rngs = np.random.default_rng(seed).spawn(4)
    rows, classes = len(data.train), len(data.class_names)
    pool = np.arange(rows)
    default = max(rows // 5, classes)
    if data.validation is None:
        # Of few rows, some are left for it, too.
        default = min(default, max((rows - classes) // 2, 1))
    test, pool = _set_apart(
        "test", data, pool, num_test, default, rngs[0], held_out
    )
    default = max(min(rows // 10, 200), classes)
    validation, pool = _set_apart(
        "validation", data, pool, num_validation, default, rngs[1], held_out
    )
    labeled, pool = _draw_labeled(data, pool, num_labeled, rngs[2], split)
    return Split(
        labeled=data.train.take(labeled),
        unlabeled=_draw_unlabeled(data, pool, num_unlabeled, rngs[3]),
        validation=validation,
        test=test,
    )


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
    pools = {
        "labeled": data.train,
        "unlabeled": data.unlabeled or data.train,
        "validation": data.validation or data.train,
        "test": data.test or data.train,
    }
    if not isinstance(ids, dict) or ids.keys() != pools.keys():
        raise InputError(
            f"a split must hold the sets {sorted(pools)}; got "
            f"{sorted(ids) if isinstance(ids, dict) else ids!r}; draw the "
            "split again"
        )
    if not all(isinstance(part, list) for part in ids.values()):
        raise InputError(
            "a split must hold a list of ids per set; got "
            f"{ {part: type(ids[part]).__name__ for part in ids} }; draw the "
            "split again"
        )
    names, counts = np.unique(
        [name for part in ids.values() for name in part], return_counts=True
    )
    if (counts > 1).any():
        raise InputError(
            "the sets of a split must be disjoint; got id "
            f"{names[counts.argmax()]} {counts.max()} times; draw the split "
            "again"
        )
    if data.unlabeled is not None:
        left_over = np.flatnonzero(np.isin(data.train.ids, ids["unlabeled"]))
        pools["unlabeled"] = _and(data.unlabeled, data.train.take(left_over))
    return Split(
        **{part: _take_ids(part, pools[part], ids[part]) for part in pools}
    )


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
            f"it; got {count}; lower it or bring more images"
        )


def _set_apart(
    name: str,
    data: Data,
    pool: np.ndarray,
    count: int | None,
    default: int,
    rng: np.random.Generator,
    held_out: str,
) -> tuple[Examples, np.ndarray]:
    """Returns the test or validation set and the rows `pool` without it."""
    given = getattr(data, name)
    if given is not None:
        if count is not None:
            _check_room(f"num_{name}", count, len(given))
        return _sample(given, count, rng), pool
    labels, keep_last = data.train.labels[pool], held_out == "stratified"
    room = len(pool) - (len(np.unique(labels)) if keep_last else 1)
    if keep_last and not room:
        raise InputError(
            f"{name} examples are held out of classes with two examples or "
            f"more; got none of these; give --{name}_dir or bring more images"
        )
    if count is None:
        count = min(default, room) if keep_last else default
    _check_room(f"num_{name}", count, room)
    order = _order(labels, len(data.class_names), rng, held_out, keep_last)
    return data.train.take(pool[order[:count]]), pool[np.sort(order[count:])]


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
    data: Data,
    pool: np.ndarray,
    num_unlabeled: int | None,
    rng: np.random.Generator,
) -> Examples:
    source = _and(data.unlabeled, data.train.take(pool))
    if not len(source):
        raise InputError(
            "there must be unlabeled examples; got none, as every label is "
            "used; give --unlabeled_dir, or a smaller --num_labeled: labels "
            "that are left over serve as unlabeled examples"
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
    rows = {name: row for row, name in enumerate(pool.ids.tolist())}
    missing = [name for name in wanted if name not in rows]
    if missing:
        raise InputError(
            f"every id of the {part} set must be in the source; got "
            f"{missing[0]} ({len(missing)} such ids); use the images that the "
            "split was drawn from"
        )
    return pool.take(np.array([rows[name] for name in wanted], np.int64))
