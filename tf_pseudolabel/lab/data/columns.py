"""Columns of a table: of strings, what they hold; and rows of them to read."""

import re

import numpy as np
import pandas as pd
import tensorflow as tf

from tf_pseudolabel.lab.data.inputs import Inputs
from tf_pseudolabel.lab.errors import InputError

# In lower case; what people write where a value is missing.
MISSING = ("", "?", "na", "n/a", "nan", "null", "none", "nat", "-", "<na>")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAY = pd.Timedelta(days=1)
_EPOCH = pd.Timestamp(0, tz="UTC").as_unit("s")


class Columns(Inputs):
    """A row is a dict of one value per column.

    Texts are held as the numbers of their values: a million rows take a few
    bytes for each of them.

    Args:
        numbers: A dict from names to float32 arrays `(n,)`, NaN where missing;
            it is emptied, as only one copy is held.
        texts: A dict from names to pairs: integers `(n,)`, and the strings
            that these number; it is emptied, too.
        dates: Names of those numbers that are days since 1970.

    Attributes:
        numbers: What was given.
        texts: The same.
        dates: The same.
    """

    def __init__(self, numbers, texts, dates=()):
        self._numbers, self._codes, self._values, values = {}, {}, {}, {}
        # Where tf.data reads them, also on machines with a GPU.
        with tf.device("CPU:0"):
            for name in list(numbers):
                self._numbers[name] = tf.constant(numbers.pop(name))
            for name in list(texts):
                codes, values[name] = texts.pop(name)
                self._codes[name] = tf.constant(codes)
                self._values[name] = tf.constant(values[name], tf.string)
        self.numbers = {k: np.asarray(x) for k, x in self._numbers.items()}
        self.texts = {
            k: (np.asarray(x), values[k]) for k, x in self._codes.items()
        }
        self.dates = tuple(dates)
        self.spec = {
            **{k: tf.TensorSpec((), tf.float32) for k in self._numbers},
            **{k: tf.TensorSpec((), tf.string) for k in self._codes},
        }

    def __len__(self):
        arrays = [*self._numbers.values(), *self._codes.values()]
        return len(arrays[0])

    def batch(self, rows):
        """Takes rows; see `Inputs.batch`."""
        numbers = {k: tf.gather(x, rows) for k, x in self._numbers.items()}
        texts = {
            k: tf.gather(self._values[k], tf.cast(tf.gather(x, rows), tf.int32))
            for k, x in self._codes.items()
        }
        return {**numbers, **texts}


def of(chunks, training, where):
    """Finds out what columns hold.

    A column of numbers, or of ISO 8601 dates in days since 1970, becomes
    numbers; any other stays text. Which one it is, training rows say.

    Args:
        chunks: Makes an iterator over the n rows, some at a time: each a
            `pandas.DataFrame` of strings. All columns are at hand in no other
            form than that of `Columns`.
        training: Bool array `(n,)`: rows that may be trained on.
        where: From the number of a row to where it stands, for messages.

    Returns:
        A pair: `Columns`, and notes, a list of sentences.

    Raises:
        InputError: If a column of numbers holds anything else in other rows,
            a number is infinite, or no column is left.
    """
    found = _looked_at(chunks, training)
    late = [name for name, column in found.items() if column.is_late()]
    for name, column in _looked_at(chunks, training, late).items():
        found[name] = column
    numbers, texts, kinds, left_out, missing = {}, {}, {}, [], []
    for name in list(found):
        column = found.pop(name)
        reason = column.useless()
        if reason:
            left_out.append(f"{name} ({reason})")
            continue
        if column.unknown:
            missing.append(f"{name} ({column.unknown})")
        kinds.setdefault(column.kind, []).append(name)
        if column.kind == "categories":
            texts[name] = column.texts.coded()
        else:
            numbers[name] = column.numbers(where)
    if not numbers and not texts:
        raise InputError(
            "a table must have a column to learn from; got none but "
            f"{', '.join(left_out) or 'the label'}; bring others"
        )
    held = Columns(numbers, texts, kinds.get("dates", ()))
    return held, list(_notes(kinds, left_out, missing))


def _looked_at(chunks, training, late=None):
    """Reads columns: all, or those that turned out to be texts."""
    if late == []:
        return {}
    found, first, most = {}, 0, np.count_nonzero(training) // 2
    for frame in chunks():
        some = training[first : first + len(frame)]
        for name in frame if late is None else late:
            if name not in found:
                found[name] = _Column(name, most, late is not None)
            found[name].add(frame[name], some)
        first += len(frame)
    return found


class _Column:
    """What is known of a column of which some rows were read.

    Args:
        name: Its name.
        most: Int: as many texts there may be, or nothing is learned from them.
        is_text: Whether it holds texts, where that is known.

    Attributes:
        kind: What it holds, in a word.
        unknown: Int: training rows that say nothing.
        texts: `_Texts`, unless it holds numbers.
    """

    def __init__(self, name, most, is_text):
        self.name, self.unknown, self.texts = name, 0, None
        self._most = most
        self._parsers = {} if is_text else {"numbers": _floats, "dates": _days}
        self._count = self._known = 0
        self._different, self._first_known = set(), None
        self._floats, self._wrong, self._last, self._rising = [], None, [], True

    @property
    def kind(self):
        """The first of numbers and dates that it may be, else categories."""
        return next(iter(self._parsers), "categories")

    def is_late(self):
        """Whether texts were taken for numbers, and have to be read again."""
        return self.kind == "categories" and self.texts is None

    def add(self, cells, training):
        """Reads further rows.

        Args:
            cells: A `pandas.Series` of k strings.
            training: Bool array `(k,)`.
        """
        codes, values = cells.factorize()
        values = values.to_numpy(dtype=object)
        strings = pd.Series(values, dtype=object)
        known = ~strings.str.lower().isin(MISSING).to_numpy(bool)
        counts = np.bincount(codes[training], minlength=len(values))
        self.unknown += int(counts[~known].sum())
        self._different |= {*values[counts > 0][:2]}
        if self._first_known is None and known.any():
            self._first_known = values[known.argmax()]
            if not _DATE.match(self._first_known):
                self._parsers.pop("dates", None)
        self._parse(strings.where(known), codes, known, counts, training)
        if not self._parsers and self._count in (0, self._coded()):
            self.texts = self.texts or _Texts(self._most)
            self.texts.add(codes, values, known, counts)
        self._count += len(cells)

    def _coded(self):
        return self.texts.count if self.texts else 0

    def _parse(self, strings, codes, known, counts, training):
        """Sees whether these are numbers, or dates, and keeps them."""
        for kind, parse in list(self._parsers.items()):
            floats = parse(strings).to_numpy(np.float64)
            if np.isnan(floats[known & (counts > 0)]).any():
                del self._parsers[kind]
                # Dates may follow where nothing was known so far.
                self._floats = self._floats * bool(self._parsers)
                self._wrong = None
                continue
            with np.errstate(over="ignore"):
                narrow = floats.astype(np.float32)
            wrong = np.isinf(narrow) | known & np.isnan(floats)
            if wrong.any() and self._wrong is None:
                row = int(wrong[codes].argmax())
                self._wrong = self._count + row, strings[codes[row]]
            self._floats.append(narrow[codes])
            steps = np.diff([*self._last, *floats[codes[training]]])
            self._rising &= bool((steps == 1).all())
            self._last = floats[codes[training]][-1:]
            return

    def useless(self):
        """Why nothing is to be learned from it; None: there may be."""
        if len(self._different) < 2:
            return "always the same"
        if self.kind != "categories":
            return "the number of the row" if self._rising else None
        return self.texts.useless()

    def numbers(self, where):
        """The numbers, `(n,)` float32.

        Args:
            where: As for `of`.

        Raises:
            InputError: If one is none, or infinite.
        """
        if self._wrong is not None:
            row, value = self._wrong
            raise InputError(
                f'column "{self.name}" must hold finite {self.kind}, as it '
                f'does in training rows; got "{value}" in {where(row)}; '
                "correct it"
            )
        return np.concatenate(self._floats)


class _Texts:
    """Strings as numbers, in the order in which they first occur.

    Args:
        most: As for `_Column`.

    Attributes:
        count: Int: how many were read.
    """

    def __init__(self, most):
        self.count, self._most, self._too_many = 0, most, False
        self._numbers, self._codes = {}, []
        self._known, self._counts = [], np.zeros(0, np.int64)

    def add(self, codes, values, known, counts):
        """Reads further ones.

        Args:
            codes: `(k,)` int: those of the values.
            values: `(v,)` strings that differ.
            known: `(v,)` bool: whether they say something.
            counts: `(v,)` int: training rows of each.
        """
        self.count += len(codes)
        if self._too_many:
            return
        numbers = self._numbers
        before = len(numbers)
        places = [numbers.setdefault(x, len(numbers)) for x in values]
        places = np.array(places, np.int64)
        self._known += known[places >= before].tolist()
        grown = np.zeros(len(numbers), np.int64)
        grown[:before] = self._counts
        grown[places] += counts
        self._counts = grown
        size = np.min_scalar_type(len(numbers))
        self._codes.append(places[codes].astype(size))
        if np.count_nonzero(self._named()) > self._most:
            self._too_many = True
            self._numbers, self._codes = {}, []

    def _named(self):
        return self._counts[np.array(self._known, bool)]

    def useless(self):
        """Why nothing is to be learned from them; None: there may be."""
        named = self._named()
        if self._too_many or 2 * np.count_nonzero(named) > named.sum():
            return "nearly every row has a text of its own"
        return None

    def coded(self):
        """A pair of codes `(n,)` and the strings that they number."""
        values = np.array(list(self._numbers), object)
        codes = np.concatenate(self._codes)
        return codes.astype(np.min_scalar_type(len(values))), values


def _floats(strings):
    return pd.to_numeric(strings, errors="coerce")


def _days(strings):
    """Days since 1970, where strings are dates of ISO 8601."""
    times = pd.to_datetime(strings, format="ISO8601", errors="coerce", utc=True)
    # In seconds, which hold the year 9999 ("no end"); nanoseconds do not.
    return (times - _EPOCH) / _DAY


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
    parse = {"numbers": _floats, "dates": _days}[holds]
    floats = parse(cells.where(known)).to_numpy(np.float64)
    with np.errstate(over="ignore"):
        floats = floats.astype(np.float32)
    return floats, ~known | np.isfinite(floats)
