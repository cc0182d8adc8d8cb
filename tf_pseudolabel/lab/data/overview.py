"""What a user is told of a split: what goes where, and what is scarce."""

from collections.abc import Iterator

import numpy as np

from tf_pseudolabel.lab.data import strings
from tf_pseudolabel.lab.data.examples import Data, groups_of
from tf_pseudolabel.lab.data.files import listed
from tf_pseudolabel.lab.data.groups import clear_of
from tf_pseudolabel.lab.data.splits import Split

# From this ratio between classes on, they are called imbalanced.
_IMBALANCED = 3


def describe(
    data: Data, split: Split, asked: dict[str, int | None] | None = None
) -> list[str]:
    """Says where all examples went.

    Args:
        data: The source.
        split: A split of it.
        asked: How many rows of a set were asked for, by its name; None: not
            said.

    Returns:
        Sentences, one a line: the notes of the source, the counts, what whole
        groups made of them, and which classes are scarce or missing.
    """
    return [
        *data.notes,
        _counts(data, split),
        *_groups(data, split, asked or {}),
        *_scarce(data, split),
    ]


def _counts(data: Data, split: Split) -> str:
    words = {n: f"{len(part)} {n}" for n, part in vars(split).items()}
    if data.unlabeled is not None:
        found = strings.places(data.train.ids, split.unlabeled.ids)
        left_over = np.count_nonzero(found >= 0)
        if left_over:
            words["unlabeled"] += f" ({left_over} of them labels left over)"
    for name in ("validation", "test"):
        if getattr(data, name) is None:
            words[name] += " (held out)"
    given = (data.train, data.unlabeled, data.validation, data.test)
    total = sum(len(part) for part in given if part is not None)
    unused = total - sum(map(len, vars(split).values()))
    if unused:
        words["unused"] = f"{unused} unused"
    return f"Examples: {', '.join(words.values())}."


def _groups(
    data: Data, split: Split, asked: dict[str, int | None]
) -> Iterator[str]:
    for name in ("validation", "test"):
        part = getattr(split, name)
        if part.groups is None or getattr(data, name) is not None:
            continue
        count = len(np.unique(part.groups[part.groups != ""]))
        fewer = (asked.get(name) or 0) > len(part)
        yield (
            f"Of {count} whole groups: the {len(part)} {name} examples"
            + (f"; {asked[name]} were asked for" if fewer else "")
            + "."
        )
    if data.unlabeled is not None:
        held_out = [groups_of(split.validation), groups_of(split.test)]
        clear = clear_of(groups_of(data.unlabeled), np.concatenate(held_out))
        if not clear.all():
            yield (
                "Left out, as their groups are held out: "
                f"{(~clear).sum()} unlabeled examples."
            )


def _scarce(data: Data, split: Split) -> Iterator[str]:
    names = data.class_names
    labeled = np.bincount(split.labeled.labels, minlength=len(names))
    most, least = labeled.argmax(), labeled.argmin()
    if not labeled[least]:
        yield f"Classes without labeled examples: {_of(names, labeled == 0)}."
    elif labeled[most] > _IMBALANCED * labeled[least]:
        ratio = labeled[most] / labeled[least]
        yield (
            f"Labeled classes are imbalanced {ratio:.1f} to 1: "
            f'{labeled[most]} of "{names[most]}", {labeled[least]} of '
            f'"{names[least]}".'
        )
    single = np.bincount(data.train.labels, minlength=len(names)) == 1
    if single.any():
        yield f"Classes with a single labeled example: {_of(names, single)}."
    for part in ("validation", "test"):
        labels = getattr(split, part).labels
        missing = np.bincount(labels, minlength=len(names)) == 0
        if missing.any():
            yield f"Classes without {part} examples: {_of(names, missing)}."


def _of(names: tuple[str, ...], which: np.ndarray) -> str:
    return listed([f'"{names[row]}"' for row in np.flatnonzero(which)])
