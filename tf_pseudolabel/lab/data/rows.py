"""Rows of several files, their classes, and the sets that they belong to."""

import dataclasses
import hashlib
import os
import pathlib
import typing

import numpy as np
import pandas as pd

from tf_pseudolabel.lab.data import classes, copies, files, frames
from tf_pseudolabel.lab.data.columns import MISSING
from tf_pseudolabel.lab.data.examples import Data, Examples
from tf_pseudolabel.lab.data.strings import Strings
from tf_pseudolabel.lab.errors import InputError

# Of two classes, it is one of them.


@dataclasses.dataclass(frozen=True, eq=False)
class Rows:
    """All rows of a source.

    Args:
        labels: `(n,)` int64; -1 where unknown.
        ids: `(n,)` str.
        sets: A dict from "labeled", "unlabeled", "validation" and "test" to
            the numbers of their rows; "labeled" alone is always there.
        class_names: A tuple of strings.
        notes: What must be said, a list of sentences.
        groups: As of `Examples`.
        chunks: Makes an iterator over the rows in order, some at a time: each a
            `pandas.DataFrame` of strings, without labels. None: they have no
            columns.
        names: Names of these columns.
    """

    labels: np.ndarray
    ids: np.ndarray | Strings
    sets: dict
    class_names: tuple
    notes: list
    groups: np.ndarray | None = None
    chunks: typing.Any = None
    names: tuple = ()

    def training(self):
        """Bool array `(n,)`: rows of the labeled and unlabeled sets."""
        found = np.zeros(len(self.ids), bool)
        for name in ("labeled", "unlabeled"):
            found[self.sets.get(name, [])] = True
        return found

    def data(self, inputs, keys, kind, notes=()):
        """Makes what a source offers, without copies.

        Args:
            inputs: `Inputs` of all rows.
            keys: `(n,)` array; equal where rows are the same.
            kind: Their `Kind`.
            notes: Further sentences.

        Returns:
            A `Data`.

        Raises:
            InputError: If nothing but copies is left of a set or a class.
        """
        sets, said = copies.without(keys, self.labels, self.sets, kind.name)
        every = Examples(inputs, self.labels, self.ids, groups=self.groups)
        examples = {name: every.take(rows) for name, rows in sets.items()}
        _check_left(examples, self.class_names)
        return Data(
            train=examples["labeled"],
            test=examples.get("test"),
            unlabeled=examples.get("unlabeled"),
            class_names=self.class_names,
            kind=kind,
            validation=examples.get("validation"),
            notes=(*self.notes, *notes, *said),
            contents=_digest(keys),
        )


def of_files(paths, label_column, columns=None, group_column=None):
    """Reads the files of a source.

    Args:
        paths: A dict from "labeled", "unlabeled", "validation" and "test" to
            paths; None: there is no such file.
        label_column: Name of the column of labels. The unlabeled file need
            not have it.
        columns: A dict from fields of a recipe to names of the columns that
            are wanted. Defaults to all.
        group_column: Name of the column of groups. The unlabeled file need not
            have it. Defaults to none.

    Returns:
        `Rows` with these columns, but without those of labels and of groups. An
        id is the file's path from the folder that all files share, a colon and
        the number of the row, from 0.

    Raises:
        InputError: If a file cannot be read or lacks a column, or labels are
            no classes.
    """
    paths = {k: pathlib.Path(v) for k, v in paths.items() if v is not None}
    _check_different(paths)
    tables = {
        name: frames.File(_flag(name), path) for name, path in paths.items()
    }
    for name, table in tables.items():
        wanted = dict(columns or {})
        if name != "unlabeled":
            wanted["label_column"] = label_column
            if group_column is not None:
                wanted["group_column"] = group_column
        for flag, column in wanted.items():
            frames.check_column(table, flag, column, paths[name])
    notes = []
    special = (label_column, group_column)
    if columns is None:
        names = [x for x in tables["labeled"] if x not in special]
        notes = _check_columns(tables, names, special, paths)
    else:
        names = list(columns.values())
    cells = {name: _columns(x, special) for name, x in tables.items()}
    groups = None
    if group_column is not None:
        every = [part[group_column] for part in cells.values()]
        groups = classes.written(pd.concat(every)).to_numpy(dtype=str)
    counts = {name: len(part) for name, part in cells.items()}
    rows = of_sets(
        counts,
        {k: classes.written(part[label_column]) for k, part in cells.items()},
        _ids(paths, counts),
        label_column,
        paths,
    )
    rows.notes.extend(notes)
    return dataclasses.replace(
        rows,
        groups=groups,
        names=tuple(names),
        chunks=lambda: (
            chunk for x in tables.values() for chunk in x.chunks(names)
        ),
    )


def of_sets(counts, labels, ids, label_column, paths, **said):
    """Puts rows together and numbers their classes.

    Args:
        counts: A dict from names of sets to how many rows they have.
        labels: The same of what `classes.written` returned.
        ids: All ids: strings, or a dict like these of arrays of them.
        label_column: Name of the column of labels, for messages.
        paths: Where each comes from, for messages.
        **said: What `classes.names_of` is told for messages besides.

    Returns:
        `Rows` without columns. Rows of the labeled set without label are in
        the unlabeled one.

    Raises:
        InputError: If labels are no classes.
    """
    names = classes.names_of(labels["labeled"], label_column, **said)
    indices = {k: classes.indices_of(x, names) for k, x in labels.items()}
    sets, first = {}, 0
    for name, count in counts.items():
        sets[name] = np.arange(first, first + count, dtype=np.int32)
        first += count
        if name in ("test", "validation"):
            where = files.shown(paths[name])
            classes.check_known(labels[name], indices[name], where)
    unknown = indices["labeled"] < 0
    if unknown.any():
        others = sets.get("unlabeled", sets["labeled"][:0])
        sets["unlabeled"] = np.append(sets["labeled"][unknown], others)
        sets["labeled"] = sets["labeled"][~unknown]
    if not isinstance(ids, Strings):
        ids = np.concatenate(list(ids.values()))
    return Rows(
        labels=np.concatenate(list(indices.values())),
        ids=ids,
        sets=sets,
        class_names=names,
        notes=[
            f"Label {name} is a class here; where a label is unknown, its cell "
            "is empty."
            for name in _perhaps_unknown(names)
        ],
    )


def _digest(keys):
    return hashlib.blake2b(
        np.asarray(keys).tobytes(), digest_size=8
    ).hexdigest()


def _perhaps_unknown(names):
    """Classes that others write where a label is unknown."""
    # Of two, -1 and 1 say no and yes.
    found = ["-1"] if "-1" in names and len(names) > 2 else []
    return found + [name for name in names if name.lower() in MISSING]


def _flag(name):
    return "data_file" if name == "labeled" else f"{name}_file"


def _check_different(paths):
    names = list(paths)
    for number, name in enumerate(names):
        for other in names[:number]:
            if os.path.realpath(paths[name]) == os.path.realpath(paths[other]):
                raise InputError(
                    f"--{_flag(other)} and --{_flag(name)} must be files of "
                    f"their own; got {files.shown(paths[name])} twice; leave "
                    "one out: test and validation rows are held out then"
                )


def _columns(table, names):
    """Some columns; of empty cells, where a file has none of that name."""
    names = [name for name in names if name is not None]
    frame = pd.concat(table.chunks(names), ignore_index=True)
    for name in names:
        if name not in frame:
            frame[name] = pd.Series("", frame.index, dtype=frames.STRINGS)
    return frame


def _check_columns(tables, columns, special, paths):
    """Refuses files that lack columns; says what others have besides."""
    notes = []
    for name, frame in tables.items():
        lacking = [x for x in columns if x not in frame]
        if lacking:
            raise InputError(
                f"{files.shown(paths[name])} must have the columns of "
                f"{files.shown(paths['labeled'])}; got none called "
                f"{files.listed(lacking)}; add or rename them"
            )
        more = [x for x in frame if x not in (*columns, *special)]
        if more:
            notes.append(
                f"Columns of {files.shown(paths[name])} alone, left out: "
                f"{files.listed(more)}."
            )
    return notes


def _ids(paths, counts):
    folder = os.path.commonpath(
        [path.parent.resolve() for path in paths.values()]
    )
    prefixes = []
    for path in paths.values():
        inside = os.path.relpath(path.parent.resolve() / path.name, folder)
        prefixes.append(files.name_of(pathlib.PurePath(inside).as_posix()))
    starts = np.cumsum([0, *counts.values()])

    def make(rows):
        numbers = np.searchsorted(starts, rows, side="right") - 1
        within = rows - starts[numbers]
        return [
            f"{prefixes[i]}:{row}"
            for i, row in zip(numbers, within, strict=True)
        ]

    return Strings(make, np.arange(starts[-1], dtype=np.int32))


def _check_left(examples, class_names):
    empty = [f"{name} rows" for name, part in examples.items() if not len(part)]
    present = np.bincount(
        examples["labeled"].labels, minlength=len(class_names)
    )
    empty += [
        f'class "{name}"'
        for name, count in zip(class_names, present, strict=True)
        if not count
    ]
    if empty:
        raise InputError(
            "every set and class must hold rows of its own; got none but "
            f"copies of test, validation or labeled rows in "
            f"{files.listed(empty)}; bring others"
        )
