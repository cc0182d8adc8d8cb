"""Which rows are labeled, unlabeled, held for validation, or test."""

from __future__ import annotations

import dataclasses

import numpy as np

from tf_pseudolabel.lab.data.examples import Examples, ImageData
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
    data: ImageData,
    *,
    num_labeled: int,
    num_validation: int,
    num_test: int | None = None,
    num_unlabeled: int | None = None,
    seed: int,
) -> Split:
    """Draws a split from one seed.

    Test rows are drawn first, then validation, labeled and unlabeled rows,
    each from a random stream of its own. So with the same seed and otherwise
    the same counts, validation and test rows do not depend on `num_labeled`,
    and the labeled rows of a smaller count are among those of a larger one.

    Args:
        data: Where the rows come from.
        num_labeled: At least one per class; class counts differ by one at
            most.
        num_validation: At least one, drawn from `data.train` with classes as
            balanced as they can be.
        num_test: With `data.test`, that many random rows of it, None: all.
            Without, rows held out of `data.train` as balanced as they can be,
            None: a fifth, at least one per class.
        num_unlabeled: Random rows of `data.unlabeled`, or without it of what
            remains of `data.train`. None: all.
        seed: Not negative.

    Returns:
        The split.

    Raises:
        InputError: A count is not positive or more than there is, or a class
            has too few rows for balanced labels.
    """
    _check_arguments(
        seed,
        num_labeled=num_labeled,
        num_validation=num_validation,
        num_test=num_test,
        num_unlabeled=num_unlabeled,
    )
    rngs = np.random.default_rng(seed).spawn(4)
    test, pool = _draw_test(data, num_test, rngs[0])
    _check_room("num_validation", num_validation, len(pool) - 1)
    validation, pool = _hold_out(data, pool, num_validation, rngs[1])
    _check_classes(data, pool, num_labeled)
    labeled, pool = _hold_out(data, pool, num_labeled, rngs[2])
    return Split(
        labeled=data.train.take(labeled),
        unlabeled=_draw_unlabeled(data, pool, num_unlabeled, rngs[3]),
        validation=data.train.take(validation),
        test=test,
    )


def restore(data: ImageData, ids: dict[str, list[str]]) -> Split:
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
        "validation": data.train,
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


def _check_classes(data: ImageData, pool: np.ndarray, num_labeled: int):
    num_classes = len(data.class_names)
    if num_labeled < num_classes:
        raise InputError(
            f"num_labeled must be at least {num_classes}, one per class; "
            f"got {num_labeled}; raise it"
        )
    available = np.bincount(data.train.labels[pool], minlength=num_classes)
    share, extra = divmod(num_labeled, num_classes)
    # Any `extra` classes may give one row more, so only these need it.
    if available.min() < share or (available > share).sum() < extra:
        scarce = available.argmin()
        raise InputError(
            "labeled rows must be balanced over the classes; class "
            f'"{data.class_names[scarce]}" has {available[scarce]} rows left '
            f"and {share + (extra > 0)} were asked of it; lower num_labeled "
            f"({num_labeled}), num_validation or num_test"
        )


def _draw_test(
    data: ImageData, num_test: int | None, rng: np.random.Generator
) -> tuple[Examples, np.ndarray]:
    """Returns the test set and the rows of `data.train` that are left."""
    everything = np.arange(len(data.train))
    if data.test is not None:
        if num_test is not None:
            _check_room("num_test", num_test, len(data.test))
        return _sample(data.test, num_test, rng), everything
    if num_test is None:
        num_test = max(len(data.train) // 5, len(data.class_names))
    _check_room("num_test", num_test, len(data.train) - 1)
    rows, pool = _hold_out(data, everything, num_test, rng)
    return data.train.take(rows), pool


def _draw_unlabeled(
    data: ImageData,
    pool: np.ndarray,
    num_unlabeled: int | None,
    rng: np.random.Generator,
) -> Examples:
    separate = data.unlabeled is not None
    available = len(data.unlabeled) if separate else len(pool)
    _check_room("num_unlabeled", num_unlabeled or 1, available)
    source = data.unlabeled if separate else data.train.take(pool)
    return _sample(source, num_unlabeled, rng)


def _sample(
    examples: Examples, count: int | None, rng: np.random.Generator
) -> Examples:
    rows = rng.permutation(len(examples))[:count]
    return examples.take(np.sort(rows))


def _hold_out(
    data: ImageData, pool: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Splits the rows `pool` into `count` balanced ones and the rest."""
    order = _balanced_order(data.train.labels[pool], len(data.class_names), rng)
    return pool[order[:count]], pool[np.sort(order[count:])]


def _balanced_order(
    labels: np.ndarray, num_classes: int, rng: np.random.Generator
) -> np.ndarray:
    """Shuffles rows so that every prefix is as balanced as it can be.

    The classes take turns, in one random order, until they run out. Being
    prefixes of one order is what nests smaller draws in larger ones.
    """
    turn = rng.permutation(num_classes)
    shuffled = rng.permutation(len(labels))
    classes = labels[shuffled]
    rounds = np.empty(len(labels), np.int64)
    for index in range(num_classes):
        (rows,) = np.nonzero(classes == index)
        rounds[rows] = np.arange(len(rows))
    return shuffled[np.lexsort((turn[classes], rounds))]


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
