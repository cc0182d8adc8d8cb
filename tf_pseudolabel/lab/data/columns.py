"""Columns of a table: of strings, what they hold; and rows of them to read."""

import re
import typing

import numpy as np
import pandas as pd
import tensorflow as tf

from tf_pseudolabel.lab.data.inputs import Inputs
from tf_pseudolabel.lab.errors import InputError

# In lower case; what people write where a value is missing.
MISSING = ("", "?", "na", "n/a", "nan", "null", "none", "nat", "-")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAY = pd.Timedelta(days=1)


class Columns(Inputs):
    """A row is a dict of one value per column.

    Texts are held as the numbers of their values: a million rows take a few
    bytes for each of them.

    Args:
        numbers: A dict from names to float32 arrays `(n,)`, NaN where missing.
        texts: A dict from names to pairs: integers `(n,)`, and the strings
            that these number.
        dates: Names of those numbers that are days since 1970.
    """

    def __init__(self, numbers, texts, dates=()):
        self.numbers = numbers
        self.texts = texts
        self.dates = tuple(dates)
        # Where tf.data reads them, also on machines with a GPU.
        with tf.device("CPU:0"):
            self._numbers = {k: tf.constant(x) for k, x in numbers.items()}
            self._codes = {k: tf.constant(x) for k, (x, _) in texts.items()}
            self._values = {
                k: tf.constant(values, tf.string)
                for k, (_, values) in texts.items()
            }
        self.spec = {
            **{k: tf.TensorSpec((), tf.float32) for k in numbers},
            **{k: tf.TensorSpec((), tf.string) for k in texts},
        }

    def __len__(self):
        arrays = [*self.numbers.values(), *(x for x, _ in self.texts.values())]
        return len(arrays[0])

    def batch(self, rows):
        """Takes rows; see `Inputs.batch`."""
        numbers = {k: tf.gather(x, rows) for k, x in self._numbers.items()}
        texts = {
            k: tf.gather(self._values[k], tf.cast(tf.gather(x, rows), tf.int32))
            for k, x in self._codes.items()
        }
        return {**numbers, **texts}


def of(frame, training, where):
    """Finds out what columns hold.

    A column of numbers, or of ISO 8601 dates in days since 1970, becomes
    numbers; any other stays text. Which one it is, training rows say.

    Args:
        frame: A `pandas.DataFrame` of strings, n rows; it is emptied.
        training: Bool array `(n,)`: rows that may be trained on.
        where: From the number of a row to where it stands, for messages.

    Returns:
        A pair: `Columns`, and notes, a list of sentences.

    Raises:
        InputError: If a column of numbers holds anything else in other rows,
            a number is infinite, or no column is left.
    """
    numbers, texts, kinds, left_out, missing = {}, {}, {}, [], []
    for name in list(frame):
        # Of a million rows, strings are released as soon as they are read.
        column = _column(name, frame.pop(name), training)
        reason = _useless(column, training)
        if reason:
            left_out.append(f"{name} ({reason})")
            continue
        unknown = int(column.counts[~column.known].sum())
        if unknown:
            missing.append(f"{name} ({unknown})")
        kinds.setdefault(column.kind, []).append(name)
        if column.floats is None:
            size = np.min_scalar_type(len(column.values))
            texts[name] = column.codes.astype(size), column.values
        else:
            _check_numbers(column, where)
            numbers[name] = column.floats.astype(np.float32)[column.codes]
    if not numbers and not texts:
        raise InputError(
            "a table must have a column to learn from; got none but "
            f"{', '.join(left_out) or 'the label'}; bring others"
        )
    held = Columns(numbers, texts, kinds.get("dates", ()))
    return held, list(_notes(kinds, left_out, missing))


class _Column(typing.NamedTuple):
    """A column as the numbers of its values, and what is known of these.

    Attributes:
        name: Its name.
        kind: What it holds, in a word.
        codes: `(n,)` int: numbers of values.
        values: `(v,)` strings.
        known: `(v,)` bool: values that say something.
        counts: `(v,)` int: training rows of each.
        floats: `(v,)` float64; None: values are no numbers.
    """

    name: str
    kind: str
    codes: np.ndarray
    values: np.ndarray
    known: np.ndarray
    counts: np.ndarray
    floats: np.ndarray | None


def _column(name, cells, training):
    codes, values = cells.factorize()
    values = values.to_numpy(dtype=object)
    strings = pd.Series(values, dtype=object)
    known = ~strings.str.lower().isin(MISSING).to_numpy(bool)
    counts = np.bincount(codes[training], minlength=len(values))
    kind, floats = "categories", None
    for word, parse in (("numbers", _floats), ("dates", _days)):
        parsed = parse(strings.where(known)).to_numpy(np.float64)
        if not np.isnan(parsed[known & (counts > 0)]).any():
            kind, floats = word, parsed
            break
    return _Column(name, kind, codes, values, known, counts, floats)


def _floats(strings):
    return pd.to_numeric(strings, errors="coerce")


def _days(strings):
    """Days since 1970, where strings are dates of ISO 8601."""
    first = strings.first_valid_index()
    if first is None or not _DATE.match(strings[first]):
        return pd.Series(np.nan, strings.index)
    return _times(strings)


def _times(strings):
    times = pd.to_datetime(strings, format="ISO8601", errors="coerce", utc=True)
    return (times - pd.Timestamp(0, tz="UTC")) / _DAY


def _useless(column, training):
    """Why nothing is to be learned from a column; None: there may be."""
    counts = column.counts
    if np.count_nonzero(counts) < 2:
        return "always the same"
    if column.floats is not None:
        steps = np.diff(column.floats[column.codes[training]])
        return "the number of the row" if (steps == 1).all() else None
    named = counts[column.known]
    if 2 * np.count_nonzero(named) > named.sum():
        return "nearly every row has a text of its own"
    return None


def _check_numbers(column, where):
    with np.errstate(over="ignore"):
        wrong = np.isinf(column.floats.astype(np.float32))
    wrong |= column.known & np.isnan(column.floats)
    if wrong.any():
        row = int(wrong[column.codes].argmax())
        raise InputError(
            f'column "{column.name}" must hold finite {column.kind}, as it '
            f'does in training rows; got "{column.values[column.codes[row]]}" '
            f"in {where(row)}; correct it"
        )


def _notes(kinds, left_out, missing):
    said = [
        f"{len(names)} of {kind} ({_some(names)})"
        for kind, names in kinds.items()
    ]
    yield f"Columns: {', '.join(said)}."
    if left_out:
        yield f"Columns left out: {_some(left_out)}."
    if missing:
        yield f"Missing values: {_some(missing)}."


def _some(names, most=8):
    more = [f"{len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])


def parsed(cells, holds):
    """Parses cells of a column whose kind is known.

    Args:
        cells: A `pandas.Series` of n strings.
        holds: "numbers" or "dates".

    Returns:
        A pair: float32 array `(n,)`, NaN where a value is missing; and which
        cells hold what they should, bool `(n,)`.
    """
    known = ~cells.str.lower().isin(MISSING).to_numpy(bool)
    parse = {"numbers": _floats, "dates": _times}[holds]
    floats = parse(cells.where(known)).to_numpy(np.float64)
    with np.errstate(over="ignore"):
        floats = floats.astype(np.float32)
    return floats, ~known | np.isfinite(floats)
