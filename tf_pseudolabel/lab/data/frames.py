"""Files of rows, as people have them: CSV, TSV, JSON lines and Parquet."""

import contextlib
import difflib
import itertools
import json
import pathlib
import warnings

import pandas as pd
from pyarrow import dataset

from tf_pseudolabel.lab.data.files import listed, shown
from tf_pseudolabel.lab.errors import InputError

# Compact, where a Python string per cell would not be; in pandas 2, too.
STRINGS = "string[pyarrow]"
# Rows that are at hand at once.
_AT_ONCE = 20_000
_SEPARATORS = ",;\t|"


class File:
    """A file of rows, which are read some at a time: every cell as a string.

    Args:
        flag: Name of the field that names the file.
        path: Its path; the suffix says what it is. The separator of a .csv is
            that of `,;|` and tab which its first line holds most often.

    Attributes:
        columns: A list of the names of columns.

    Raises:
        InputError: If the file is missing, is of another kind, or cannot be
            read; some of what is wrong is found when its rows are.
    """

    def __init__(self, flag, path):
        self._flag, self._path = flag, pathlib.Path(path)
        reader = _READERS.get(self._path.suffix.lower())
        if reader is None:
            raise InputError(
                f"--{flag} must end in {', '.join(_READERS)}; got "
                f"{shown(path)}; save it as one of these"
            )
        with self._told():
            names, self._frames = reader(self._path)
        self.columns = [str(name) for name in names]
        if not names:
            self._refuse_none()

    def __iter__(self):
        return iter(self.columns)

    def chunks(self, columns=None):
        """Reads all rows, in order.

        Args:
            columns: Names of columns, of which those that there are are read.
                Defaults to all.

        Yields:
            A `pandas.DataFrame` of strings; an empty cell is an empty string.

        Raises:
            InputError: If a row cannot be read, or there is none.
        """
        wanted = self.columns
        if columns is not None:
            wanted = [name for name in columns if name in wanted]
        count = 0
        with self._told():
            for frame in self._frames():
                yield _as_strings(self._path, frame, count, wanted)
                count += len(frame)
        if not count:
            self._refuse_none()

    def _refuse_none(self):
        raise InputError(
            f"{shown(self._path)} must hold at least one row below its "
            "header; got 0; add rows"
        )

    @contextlib.contextmanager
    def _told(self):
        """Says what is wrong with a file in one line."""
        path = self._path
        try:
            yield
        except UnicodeDecodeError:
            raise InputError(
                f"{shown(path)} must be UTF-8; got other bytes in line "
                f"{_undecodable(path)}; save it as UTF-8"
            ) from None
        except OSError as error:
            raise InputError(
                f"--{self._flag} must be a file that can be read; got "
                f"{shown(path)} ({error.strerror or error}); correct the path"
            ) from error


def check_column(frame, flag, column, path):
    """Refuses a column that a file does not have.

    Args:
        frame: A `File`, or a `pandas.DataFrame`.
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
        "dtype": STRINGS,
        "keep_default_na": False,
        "index_col": False,
        "skipinitialspace": True,
        "encoding": "utf-8-sig",
    }

    def frames():
        if not names:
            return
        with pd.read_csv(path, chunksize=_AT_ONCE, **options) as chunks:
            while True:
                with _whole_rows(path):
                    frame = next(chunks, None)
                if frame is None:
                    return
                yield frame

    names = []
    with _whole_rows(path), contextlib.suppress(pd.errors.EmptyDataError):
        first = pd.read_csv(path, header=None, nrows=1, **options)
        names = first.iloc[0].tolist()
        _check_names(path, names)
        names = list(pd.read_csv(path, nrows=0, **options))
    return names, frames


@contextlib.contextmanager
def _whole_rows(path):
    try:
        with warnings.catch_warnings():
            # Of rows longer than the header, whose end would be lost.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            yield
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = " ".join(str(error).split()).rpartition("C error: ")[-1]
        raise InputError(
            f"every row of {shown(path)} must have the columns of its header; "
            f"got: {reason}; correct it"
        ) from error


def _check_names(path, names):
    unnamed = [str(n) for n, name in enumerate(names, 1) if not name.strip()]
    if unnamed:
        raise InputError(
            f"the columns of {shown(path)} must have names; got none for "
            f"column {', '.join(unnamed)}, as pandas writes its index; name "
            "it, or write without: to_csv(index=False)"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            f"the columns of {shown(path)} must have names of their own; got "
            f"{listed(twice)} several times; rename them"
        )


def _json_lines(path):
    def rows():
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _json_row(path, number, line)

    def frames():
        every = rows()
        while some := list(itertools.islice(every, _AT_ONCE)):
            yield pd.DataFrame(some, dtype=object)

    return list(dict.fromkeys(itertools.chain.from_iterable(rows()))), frames


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
    with _whole_parquet(path):
        # Also of several files in a folder.
        file = dataset.dataset(path, format="parquet", partitioning="hive")
        names = list(file.schema.empty_table().to_pandas())

    def frames():
        with _whole_parquet(path):
            for batch in file.to_batches(
                batch_size=_AT_ONCE, batch_readahead=1, fragment_readahead=1
            ):
                # An empty cell among integers makes no fractions of them.
                yield batch.to_pandas(integer_object_nulls=True)

    return names, frames


@contextlib.contextmanager
def _whole_parquet(path):
    try:
        yield
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


def _as_strings(path, frame, first, columns):
    frame = frame.reset_index(drop=True)
    frame.columns = frame.columns.map(str)
    # Not every JSON line has all of them.
    frame = frame.reindex(columns=columns)
    for name in frame:
        cells = frame[name]
        if cells.dtype == object:
            _check_cells(path, name, cells, first)
            cells = cells.map(str, na_action="ignore")
        frame[name] = cells.astype(STRINGS).fillna("")
    return frame


def _check_cells(path, name, cells, first):
    simple = cells.map(
        lambda x: pd.api.types.is_scalar(x) and not isinstance(x, bytes)
    ).astype(bool)
    if not simple.all():
        row = int((~simple).to_numpy().argmax())
        raise InputError(
            "a cell must be one number or text; got "
            f'{type(cells[row]).__name__} in column "{name}" of {shown(path)}, '
            f"row {first + row}; write each value in a column of its own"
        )


def _undecodable(path):
    """The number of the first line that is not UTF-8, from 1."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
