"""Files of rows, as people have them: CSV, TSV, JSON lines and Parquet."""

import difflib
import json
import pathlib
import warnings

import pandas as pd

from tf_pseudolabel.lab.data.files import listed, shown
from tf_pseudolabel.lab.errors import InputError

# Compact, where a Python string per cell would not be; in pandas 2, too.
_STRINGS = "string[pyarrow]"
_SEPARATORS = ",;\t|"


def read(flag, path):
    """Reads a file of rows, every cell as a string.

    Args:
        flag: Name of the field that names the file.
        path: Its path; the suffix says what it is. The separator of a .csv is
            that of `,;|` and tab which its first line holds most often.

    Returns:
        A `pandas.DataFrame` of strings; an empty cell is an empty string.

    Raises:
        InputError: If the file is missing, is of another kind, cannot be read,
            or holds no row.
    """
    path = pathlib.Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"--{flag} must end in {', '.join(_READERS)}; got {shown(path)}; "
            "save it as one of these"
        )
    try:
        frame = _as_strings(path, reader(path))
    except UnicodeDecodeError:
        raise InputError(
            f"{shown(path)} must be UTF-8; got other bytes in line "
            f"{_undecodable(path)}; save it as UTF-8"
        ) from None
    except OSError as error:
        raise InputError(
            f"--{flag} must be a file that can be read; got {shown(path)} "
            f"({error.strerror or error}); correct the path"
        ) from error
    if not len(frame):
        raise InputError(
            f"{shown(path)} must hold at least one row below its header; got "
            "0; add rows"
        )
    return frame


def check_column(frame, flag, column, path):
    """Refuses a column that a file does not have.

    Args:
        frame: What `read` returned.
        flag: Name of the field that names the column.
        column: Its name.
        path: Of the file.

    Raises:
        InputError: If there is no such column.
    """
    if column in frame:
        return
    near = difflib.get_close_matches(column, frame.columns, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else "; name one of these"
    raise InputError(
        f"--{flag} must be a column of {shown(path)}, which has "
        f'{listed([f"{name}" for name in frame.columns])}; got "{column}"{hint}'
    )


def _separated(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline()
    separator = "\t"
    if path.suffix.lower() != ".tsv":
        separator = max(_SEPARATORS, key=header.count)
    options = {
        "sep": separator,
        "dtype": _STRINGS,
        "keep_default_na": False,
        "index_col": False,
        "skipinitialspace": True,
        "encoding": "utf-8-sig",
    }
    try:
        with warnings.catch_warnings():
            # Of rows longer than the header, whose end would be lost.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            names = pd.read_csv(path, header=None, nrows=1, **options)
            _check_names(path, names.iloc[0].tolist())
            return pd.read_csv(path, **options)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = " ".join(str(error).split()).rpartition("C error: ")[-1]
        raise InputError(
            f"every row of {shown(path)} must have the columns of its header; "
            f"got: {reason}; correct it"
        ) from error


def _check_names(path, names):
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"the columns of {shown(path)} must have names of their own; got "
            f"{listed(twice)} several times; rename them"
        )


def _json_lines(path):
    rows = []
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                rows.append(_json_row(path, number, line))
    return pd.DataFrame(rows)


def _json_row(path, number, line):
    try:
        row = json.loads(line)
    except ValueError as error:
        row = error
    if not isinstance(row, dict):
        raise InputError(
            f"every line of {shown(path)} must be a JSON object; got "
            f"{str(row)[:80]} in line {number}; correct it"
        )
    return row


def _parquet(path):
    try:
        return pd.read_parquet(path)
    except ValueError as error:  # ArrowInvalid, of damaged files.
        raise InputError(
            f"{shown(path)} must be a Parquet file; got: "
            f"{' '.join(str(error).split())[:200]}; write it again"
        ) from error


# By suffix.
_READERS = {
    ".csv": _separated,
    ".tsv": _separated,
    ".jsonl": _json_lines,
    ".parquet": _parquet,
}


def _as_strings(path, frame):
    frame = frame.reset_index(drop=True)
    frame.columns = frame.columns.map(str)
    for name in frame:
        cells = frame[name]
        if cells.dtype == object:
            _check_cells(path, name, cells)
            cells = cells.map(str, na_action="ignore")
        frame[name] = cells.astype(_STRINGS).fillna("")
    return frame


def _check_cells(path, name, cells):
    simple = cells.map(
        lambda x: pd.api.types.is_scalar(x) and not isinstance(x, bytes)
    ).astype(bool)
    if not simple.all():
        row = int((~simple).to_numpy().argmax())
        raise InputError(
            "a cell must be one number or text; got "
            f'{type(cells[row]).__name__} in column "{name}" of {shown(path)}, '
            f"row {row}; write each value in a column of its own"
        )


def _undecodable(path):
    """The number of the first line that is not UTF-8, from 1."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
