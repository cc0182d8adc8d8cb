"""Files of one row after the other, cut where rows end."""

import codecs
import csv
import json
import sys

from tf_pseudolabel.lab.data.files import shown
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving.requests.chunk import MOST_ROWS

SEPARATORS = ",;\t|"
# Quotes that never close make a cell of the rest of the file.
csv.field_size_limit(sys.maxsize)


def separator_of(path, header):
    """Returns the separator of a file, as training finds it.

    Args:
        path: A `pathlib.Path`.
        header: Its first line.
    """
    if path.suffix.lower() == ".tsv":
        return "\t"
    return max(SEPARATORS, key=header.count)


def separated(lines, separator):
    """Reads rows of cells; a row that is not UTF-8 has cells of which we know.

    Args:
        lines: Iterator of bytes.
        separator: Of cells.

    Yields:
        Pairs of the cells, a list of strings, and whether that is a line with
        nothing in it, which does not count; an empty cell in quotes does.
        Bytes of other encodings become surrogates.
    """
    last = b""

    def text():
        nonlocal last
        for last in lines:
            yield last.decode("utf-8", "surrogateescape")

    for cells in csv.reader(text(), delimiter=separator, skipinitialspace=True):
        yield cells, len(cells) < 2 and not last.strip()


def cut_separated(path, separator):
    """Finds where rows of a CSV file start.

    Args:
        path: A `pathlib.Path`.
        separator: Of cells.

    Returns:
        A pair: the header, a list of strings; and a list of (first byte, end,
        first row, rows), each of at most `MOST_ROWS` rows.

    Raises:
        InputError: If they end in nothing that we know.
    """
    offset = number = 0

    def counted(file):
        nonlocal offset, number
        for line in file:
            number += 1
            offset += len(line)
            yield line[len(codecs.BOM_UTF8) * _has_bom(line, offset) :]

    with path.open("rb") as file:
        rows = separated(counted(file), separator)
        try:
            header, _ = next(rows, ([], True))
            ends = ((offset, not is_blank) for _, is_blank in rows)
            return header, _cuts(offset, ends)
        except csv.Error as error:
            raise InputError(
                f"lines of {shown(path)} must end in a line feed; got: "
                f"{error} in line {number}; save it so"
            ) from None


def _has_bom(line, end):
    return end == len(line) and line.startswith(codecs.BOM_UTF8)


def cut_lines(path):
    """Finds where rows of a file of lines start.

    Args:
        path: A `pathlib.Path`.

    Returns:
        As the second of `cut_separated`.
    """

    def ends(file):
        offset = 0
        for line in file:
            offset += len(line)
            yield offset, not line.isspace()

    with path.open("rb") as file:
        return _cuts(0, ends(file))


def _cuts(start, ends):
    cuts, first, count, end = [], 0, 0, start
    for end, counts in ends:
        count += counts
        if count == MOST_ROWS:
            cuts.append((start, end, first, count))
            start, first, count = end, first + count, 0
    if count:
        cuts.append((start, end, first, count))
    return cuts


def check_header(path, header):
    """Refuses columns that cannot be told apart.

    Args:
        path: Of the file.
        header: List of names.

    Raises:
        InputError: If a name occurs twice, or there is none.
    """
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice or not header:
        raise InputError(
            f"the columns of {shown(path)} must have names of their own; got "
            f"{', '.join(twice) + ' twice' if twice else 'none'}; name them"
        )


def lines_of(path, start, end):
    """Reads some lines.

    Args:
        path: A `pathlib.Path`.
        start: First byte.
        end: Byte behind the last one.

    Yields:
        Bytes of a line, with its end.
    """
    with path.open("rb") as file:
        file.seek(start)
        while start < end:
            line = file.readline()
            if not line:
                return
            start += len(line)
            yield line


def json_row(line):
    """Reads a line of JSON.

    Args:
        line: Bytes.

    Returns:
        A dict from columns to strings, "" where there is nothing.

    Raises:
        InputError: If it holds no row; the message is the reason.
    """
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except ValueError as error:
        raise InputError(f"not JSON: {error}") from None
    if not isinstance(row, dict):
        raise InputError("not a JSON object")
    for name, value in row.items():
        if isinstance(value, (dict, list)):
            raise InputError(f"{name} holds several values")
    return {name: cell(value) for name, value in row.items()}


def cell(value):
    """Writes a value as training does: None and NaN are missing, "".

    Args:
        value: What JSON or Parquet holds in a cell.

    Returns:
        A string.
    """
    return "" if value is None or value != value else str(value)
