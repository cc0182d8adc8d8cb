"""Files of predictions: CSV, JSON lines or Parquet, with the same columns."""

import contextlib
import csv
import json
import pathlib

import pyarrow
import pyarrow.parquet

from tf_pseudolabel.lab.data.files import shown
from tf_pseudolabel.lab.errors import InputError


def columns_of(top):
    """Returns the columns of predictions.

    Args:
        top: Int: how many classes each row names, the likeliest first.

    Returns:
        A list of strings: id, label, confidence, label_2, confidence_2, ...
    """
    ranks = ["", *(f"_{rank}" for rank in range(2, top + 1))]
    pairs = [(f"label{rank}", f"confidence{rank}") for rank in ranks]
    return ["id", *(name for pair in pairs for name in pair)]


def writer(path, columns):
    """Opens a file of predictions.

    Args:
        path: Where; the suffix says what it is.
        columns: What `columns_of` returned.

    Returns:
        A context manager, whose value is called with every `pyarrow.Table` to
        write.

    Raises:
        InputError: If there is no such kind of file.
    """
    path = pathlib.Path(path)
    opened = _WRITERS.get(path.suffix.lower())
    if opened is None:
        raise InputError(
            f"--output must end in {', '.join(_WRITERS)}; got {shown(path)}; "
            "name such a file"
        )
    return opened(path, columns)


@contextlib.contextmanager
def _csv(path, columns):
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(columns)
        yield lambda table: rows.writerows(zip(*_cells(table), strict=True))


@contextlib.contextmanager
def _json_lines(path, columns):
    with path.open("w", encoding="utf-8") as file:

        def write(table):
            for row in zip(*_cells(table), strict=True):
                named = dict(zip(columns, row, strict=True))
                file.write(f"{json.dumps(named, ensure_ascii=False)}\n")

        yield write


@contextlib.contextmanager
def _parquet(path, columns):
    with pyarrow.parquet.ParquetWriter(path, schema_of(columns)) as file:
        yield file.write_table


# By suffix.
_WRITERS = {".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet}


def schema_of(columns):
    """Returns the `pyarrow.Schema` of predictions.

    Args:
        columns: What `columns_of` returned.
    """
    return pyarrow.schema(
        (
            name,
            pyarrow.float32()
            if name.startswith("confidence")
            else pyarrow.string(),
        )
        for name in columns
    )


def _cells(table):
    """Lists of what a table holds; floats as short as their type allows."""
    for name in table.column_names:
        cells = table[name]
        if cells.type == pyarrow.float32():
            yield [float(x) for x in cells.to_numpy().astype(str)]
        else:
            yield cells.to_pylist()
