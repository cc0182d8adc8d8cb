"""Rows of tables as a model takes them: a value per column, or a text."""

from __future__ import annotations

import abc
import dataclasses
import itertools
import pathlib
import typing

import numpy as np
import pandas as pd
import pyarrow.parquet

from tf_pseudolabel.lab.data import columns
from tf_pseudolabel.lab.data.files import listed, shown
from tf_pseudolabel.lab.errors import InputError, reason_of
from tf_pseudolabel.lab.serving.about import Column
from tf_pseudolabel.lab.serving.requests import lines
from tf_pseudolabel.lab.serving.requests.chunk import (
    AT_ONCE,
    MOST_ROWS,
    Bad,
    Chunk,
    Rows,
    check_readable,
    key_of,
    name_of,
)


@dataclasses.dataclass(frozen=True)
class Table(Chunk):
    """Some rows of a file of rows.

    Args:
        path: Of the file.
        first: Number of the first row.
        columns: What the model takes, a tuple of `Column`.
        id_column: Column of names; None: rows are numbered.
    """

    path: str
    first: int
    columns: tuple[Column, ...]
    id_column: str | None

    @abc.abstractmethod
    def cells(self) -> typing.Iterator[dict[str, str] | str]:
        """Yields a dict of strings per row, or why there is none."""

    def read(self):
        """Reads the rows; see `Chunk.read`."""
        numbered = enumerate(self.cells(), start=self.first)
        while some := list(itertools.islice(numbered, AT_ONCE)):
            yield self._rows(some)

    def _rows(self, some):
        bad, good, ids = [], [], []
        for number, row in some:
            name = f"{name_of(self.path)}:{number}"
            if isinstance(row, str):
                bad.append(Bad(name, row))
                continue
            if self.id_column is not None:
                name = row[self.id_column]
            ids.append(name)
            good.append(row)
        inputs, wrong = {}, {}
        for column in self.columns:
            cells = pd.Series([row[column.name] for row in good], dtype=object)
            inputs[column.input] = _parsed(column, cells, wrong)
        keep = [row for row in range(len(good)) if row not in wrong]
        bad += [Bad(ids[row], reason) for row, reason in wrong.items()]
        return Rows(
            [ids[row] for row in keep],
            {name: x[keep] for name, x in inputs.items()},
            bad,
        )


def _parsed(column, cells, wrong):
    """An array of what cells hold; of others the reason goes into `wrong`."""
    if column.holds == "texts":
        for row in np.flatnonzero(cells.str.strip() == ""):
            wrong[int(row)] = f"{column.name} is empty"
    if column.holds in ("texts", "categories"):
        return cells.to_numpy(dtype=object)
    floats, right = columns.parsed(cells, column.holds)
    for row in np.flatnonzero(~right):
        wrong[int(row)] = (
            f'{column.name} must hold {column.holds}; got "{cells[row]}"'
        )
    return floats


@dataclasses.dataclass(frozen=True)
class Separated(Table):
    """Rows of a CSV or TSV file.

    Args:
        start: Byte of the first row.
        end: Byte behind the last one.
        header: Names of all columns.
        separator: Of cells.
    """

    start: int
    end: int
    header: tuple[str, ...]
    separator: str

    def cells(self):
        """Reads the rows; see `Table.cells`."""
        path = pathlib.Path(self.path)
        within = lines.lines_of(path, self.start, self.end)
        for row, is_blank in lines.separated(within, self.separator):
            if not is_blank:
                yield _problem(row, self.header) or dict(
                    zip(self.header, row, strict=True)
                )


def _problem(row, header):
    text = "".join(row)
    if len(row) != len(header):
        further = text.count("\n")
        quote = f"; a quote joins it with {further} further lines"
        return (
            f"{len(row)} cells, where the header has {len(header)}"
            + quote * (further > 0)
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        return "not UTF-8"
    return None


@dataclasses.dataclass(frozen=True)
class JsonLines(Table):
    """Rows of a file of JSON objects.

    Args:
        start: Byte of the first row.
        end: Byte behind the last one.
    """

    start: int
    end: int

    def cells(self):
        """Reads the rows; see `Table.cells`."""
        path = pathlib.Path(self.path)
        for line in lines.lines_of(path, self.start, self.end):
            if line.isspace():
                continue
            try:
                row = lines.json_row(line)
                lacking = _lacking(self, row)
                yield f"it has no {listed(lacking)}" if lacking else row
            except InputError as error:
                yield str(error)


def _lacking(table, names):
    wanted = [column.name for column in table.columns]
    wanted += [table.id_column] * (table.id_column is not None)
    return [name for name in wanted if name not in names]


@dataclasses.dataclass(frozen=True)
class Parquet(Table):
    """Rows of a Parquet file.

    Args:
        group: Number of the row group.
        part: Number of the batch of it.
    """

    group: int
    part: int

    def cells(self):
        """Reads the rows; see `Table.cells`."""
        names = {column.name for column in self.columns}
        names |= {self.id_column} - {None}
        file = pyarrow.parquet.ParquetFile(self.path)
        # Several times faster to skip than to keep a group of a million rows.
        batches = file.iter_batches(
            MOST_ROWS, row_groups=[self.group], columns=sorted(names)
        )
        (batch,) = itertools.islice(batches, self.part, self.part + 1)
        for row in batch.to_pylist():
            yield {name: lines.cell(value) for name, value in row.items()}


def chunks(path, wanted, id_column):
    """Cuts a file of rows into chunks.

    Args:
        path: Its path, a string that ends in one of `SUFFIXES`.
        wanted: A tuple of `Column`.
        id_column: Name of the column of names; None: rows are numbered.

    Returns:
        A list of `Table`.

    Raises:
        InputError: If the file cannot be read, or lacks columns.
    """
    check_readable(path)
    return _CUTTERS[pathlib.Path(path).suffix.lower()](path, wanted, id_column)


def _separated(path, wanted, id_column):
    place = pathlib.Path(path)
    with place.open("rb") as file:
        first = file.readline().decode("utf-8-sig", "replace")
    separator = lines.separator_of(place, first)
    header, cuts = lines.cut_separated(place, separator)
    lines.check_header(path, header)
    _check_columns(path, header, wanted, id_column)
    key = key_of([path], tuple(header), wanted, id_column)
    return [
        Separated(
            f"{key}-{start}",
            count,
            path,
            number,
            wanted,
            id_column,
            start,
            end,
            tuple(header),
            separator,
        )
        for start, end, number, count in cuts
    ]


def _json_lines(path, wanted, id_column):
    key = key_of([path], wanted, id_column)
    return [
        JsonLines(
            f"{key}-{start}", count, path, number, wanted, id_column, start, end
        )
        for start, end, number, count in lines.cut_lines(pathlib.Path(path))
    ]


def _parquet(path, wanted, id_column):
    try:
        metadata = pyarrow.parquet.read_metadata(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{shown(path)} must be a Parquet file; got: {reason_of(error)}; "
            "write it again"
        ) from error
    names = metadata.schema.to_arrow_schema().names
    _check_columns(path, names, wanted, id_column)
    key = key_of([path], wanted, id_column)
    found, first = [], 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        for part in range(-(-rows // MOST_ROWS)):
            count = min(MOST_ROWS, rows - part * MOST_ROWS)
            given = (f"{key}-{first}", count, path, first, wanted, id_column)
            found.append(Parquet(*given, group, part))
            first += count
    return found


# By suffix.
_CUTTERS = {
    ".csv": _separated,
    ".tsv": _separated,
    ".jsonl": _json_lines,
    ".parquet": _parquet,
}
SUFFIXES = tuple(_CUTTERS)


def _check_columns(path, names, wanted, id_column):
    lacking = [x.name for x in wanted if x.name not in names]
    lacking += [id_column] * (id_column is not None and id_column not in names)
    if lacking:
        raise InputError(
            f"{shown(path)} must have the columns that the model takes; got "
            f"none called {listed(lacking)}, but {listed(list(names))}; "
            "rename or add them"
        )
