"""Labels that people gave to rows, as a table: taken back into training."""

import csv
import dataclasses
import io
import pathlib

import numpy as np

from tf_pseudolabel.lab.data.splits import Split
from tf_pseudolabel.lab.errors import InputError

COLUMNS = ("id", "label")
_REMEDY = "Write a row for each, as review.csv of a run has it."


def read(path, class_names):
    """Reads what people say of rows.

    Args:
        path: A CSV file with the columns `id` and `label`, in UTF-8. Others may
            stand beside them. An empty label says nothing.
        class_names: Names of the classes.

    Returns:
        A dict from id to class id.

    Raises:
        InputError: If the file cannot be read, or a label is no class or
            contradicts another one.
    """
    known = {str(name): number for number, name in enumerate(class_names)}
    found = {}
    for line, name, label in _rows(path):
        if label not in known:
            raise InputError(
                f"{path}, line {line}: a label is empty or one of "
                f"{_few(known)}; got {label!r} for {name}."
            )
        if found.setdefault(name, known[label]) != known[label]:
            raise InputError(
                f"{path}, line {line}: a row has one label; got another one "
                f"for {name}, {label!r}. Leave one out."
            )
    return found


def _rows(path):
    """The number of a line, id and label, of lines that have a label."""
    try:
        # Names of files may be bytes of another encoding, and go back as such.
        text = (
            pathlib.Path(path)
            .read_bytes()
            .decode("utf-8-sig", "surrogateescape")
        )
        lines = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        if not {*COLUMNS} <= {*(lines.fieldnames or ())}:
            raise ValueError(f"the columns {lines.fieldnames}")
        for row in lines:
            if row["label"]:
                yield lines.line_num, row["id"], row["label"]
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{path} must be a CSV file with the columns id and label; got "
            f"{reason}. {_REMEDY}"
        ) from None


def write(path, rows, columns):
    """Writes a table of rows for people.

    Args:
        path: The file.
        rows: List of dicts.
        columns: Names of the columns, keys of the dicts.
    """
    with open(
        path, "w", newline="", encoding="utf-8", errors="surrogateescape"
    ) as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def corrected(split, labels):
    """Gives rows the labels that people say.

    Args:
        split: A `Split`.
        labels: Dict from id to class id; of labeled and of unlabeled rows.

    Returns:
        The `Split`, in which unlabeled rows with a label are labeled ones; and
        a line that says what changed.

    Raises:
        InputError: If an id is that of no such row, or no row stays unlabeled.
    """
    _check_ids(split, labels)
    said = np.array([labels.get(i, -1) for i in split.labeled.ids.tolist()])
    changed = (said >= 0) & (said != split.labeled.labels)
    given = np.where(changed, said, split.labeled.labels)
    labeled = dataclasses.replace(split.labeled, labels=given)
    now = np.array([labels.get(i, -1) for i in split.unlabeled.ids.tolist()])
    moved = split.unlabeled.take(np.flatnonzero(now >= 0))
    rest = split.unlabeled.take(np.flatnonzero(now < 0))
    if not len(rest):
        raise InputError(
            "Self-training needs unlabeled rows; got labels for all "
            f"{len(moved)}. Train on them with bin/train."
        )
    if len(moved):
        moved = dataclasses.replace(moved, labels=now[now >= 0])
        labeled = labeled.followed_by(moved)
    confirmed = int((said >= 0).sum() - changed.sum())
    line = (
        f"Labels by people: {len(moved)} of unlabeled rows, {changed.sum()} "
        f"that replace given ones, {confirmed} that confirm given ones."
    )
    parts = {"labeled": labeled, "unlabeled": rest}
    return Split(**{**vars(split), **parts}), line


def _check_ids(split, labels):
    held_out = {*split.validation.ids, *split.test.ids} & {*labels}
    if held_out:
        raise InputError(
            "Labels by people are of rows that are trained on; got "
            f"{sorted(held_out)[0]} ({len(held_out)} such ids), which is a "
            "validation or test row. Leave it out."
        )
    unknown = {*labels} - {*split.labeled.ids, *split.unlabeled.ids}
    if unknown:
        raise InputError(
            "Labels by people are of rows of the run; got the id "
            f"{sorted(unknown)[0]} ({len(unknown)} such ids), which is none. "
            "Leave it out, or give the data that it is of."
        )


def _few(names):
    names = list(names)
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
