"""Labels in an array, of which some are unknown."""

import typing

import numpy as np

from tf_pseudolabel.labels.forms import UNKNOWN

# Of one value per class, as at the border.
_TOLERANCE = 1e-2
# What NumPy makes of -1 and NaN where it makes strings of everything.
_WERE_NUMBERS = {"-1", "nan"}


class GivenLabels(typing.NamedTuple):
    """Labels as a stream carries them.

    Attributes:
        values: Array `(rows, ...)`: class ids, -1 where unknown; or one value
            per class.
        is_known: Bool array `(rows,)`.
        names: List of strings in the order of the ids; None where labels came
            as numbers.
    """

    values: np.ndarray
    is_known: np.ndarray
    names: typing.Any


def read(y):
    """Reads labels and which of them are known.

    Args:
        y: As for `tpl.from_arrays`.

    Returns:
        `GivenLabels`.

    Raises:
        ValueError: If they are no labels, all known or all unknown, or name
            fewer than two classes.
    """
    values, names = _numbers(y)
    if _holds_one_value_per_class(values):
        is_known = np.any(values > 0, axis=-1)  # Not of NaN.
        classes = np.sum(np.any(values > 0, axis=tuple(range(values.ndim - 1))))
    else:
        values = _ids(values)
        is_known = values != UNKNOWN
        classes = len(np.unique(values[is_known]))
    is_known = is_known.any(axis=tuple(range(1, is_known.ndim)))
    _check(is_known, classes)
    return GivenLabels(values, is_known, names)


def is_absent(value):
    """Whether a value is None, NaN, NaT or pandas' NA.

    Args:
        value: Any object.

    Returns:
        A bool.
    """
    try:
        return value is None or bool(value != value)
    except TypeError:  # NA is neither equal to itself nor not.
        return True


def as_array(values):
    """Makes an array of an array-like; mixed values stay what they are.

    Args:
        values: Array, tensor, list, or an object with `to_numpy`, as a column
            of a table.

    Returns:
        An array.
    """
    # Columns of pandas have a mask, too, and are read below.
    if isinstance(values, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(values), None, values.data)
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    if isinstance(values, np.ndarray):
        return values
    try:
        array = np.asarray(values)
        # Strings were made of the numbers among them.
        is_text = array.dtype.kind in "US"
        return np.array(values, object) if is_text else array
    except ValueError as error:
        raise ValueError(
            "An array has rows of one shape; got rows that differ. Pad them, "
            f"or pass equal ones. NumPy says: {error}"
        ) from error


def _numbers(y):
    """Labels as an array of numbers, and their names if they have any."""
    array = as_array(y)
    if array.ndim == 0:
        raise ValueError(
            "`y` must hold a label for every row, -1 where it is unknown; got "
            f"{type(y).__name__}."
        )
    if array.dtype.kind not in "OUS":
        return _checked(array, array.dtype.name), None
    known = np.array([not _says_unknown(value) for value in array.flat], bool)
    given = array.ravel()[known]
    is_name = [isinstance(value, (str, bytes)) for value in given]
    names = None
    if is_name and all(is_name):
        given, names = _named(given, y)
    elif any(is_name):
        raise ValueError(
            "`y` must hold class ids or class names; got both, "
            f"{given[is_name.index(True)]!r} and "
            f"{given[is_name.index(False)]!r} for example."
        )
    first = given[0] if len(given) else None
    given = _checked(np.array(list(given)), type(first).__name__)
    is_float = given.dtype.kind == "f"
    values = np.full(array.size, np.nan if is_float else UNKNOWN)
    values = values.astype(given.dtype if is_float else np.int64)
    values[known] = given
    return values.reshape(array.shape), names


def _checked(array, kind):
    """Refuses what is no array of numbers."""
    if array.dtype.kind not in "biuf":
        raise ValueError(
            "`y` must hold class ids, class names or one value per class, in "
            f"rows of one shape; got {kind}."
        )
    return array


def _says_unknown(value):
    return is_absent(value) or value in ("", b"", UNKNOWN)


def _named(given, y):
    """Ids of names, and all names in their order."""
    given = [v.decode() if isinstance(v, bytes) else str(v) for v in given]
    categories = getattr(getattr(y, "cat", y), "categories", None)
    names = sorted(set(given)) if categories is None else list(categories)
    names = [name for name in names if not _says_unknown(name)]
    wrong = _WERE_NUMBERS.intersection(names)
    if wrong:
        raise ValueError(
            f"`y` holds the class names {sorted(wrong)}, which NumPy makes of "
            "-1 and NaN in an array of strings. Say that a label is unknown "
            "with '' or None, or name the class otherwise."
        )
    ids = {name: number for number, name in enumerate(names)}
    return [ids[name] for name in given], names


def _holds_one_value_per_class(values):
    """Tells one value per class from ids per position.

    Whoever marks unlabeled rows by -1 has ids: among these, zeros are a class.
    """
    if values.ndim < 2 or values.shape[-1] < 2 or (values == UNKNOWN).any():
        return False
    if values.dtype.kind == "f":
        values = values[~np.isnan(values).all(axis=-1)]
    total = values.sum(axis=-1, dtype=np.float64)
    fits = (total == 0) | (np.abs(total - 1) <= _TOLERANCE)
    return bool(fits.all() and (values >= 0).all())


def _ids(values):
    """Class ids, -1 where they are unknown, as integers."""
    if values.dtype.kind == "f":
        known = np.where(np.isnan(values), UNKNOWN, values)
        values = known.astype(np.int64)
        wrong = known[known != values]
    elif values.dtype.kind == "b":
        return values.astype(np.int64)
    else:
        wrong = values[:0]
    wrong = wrong if wrong.size else values[values < UNKNOWN]
    if wrong.size:
        raise ValueError(
            "`y` must hold class ids 0, 1, …, and -1 where a label is unknown; "
            f"got {wrong[0]}."
        )
    return values


def _check(is_known, classes):
    """Refuses labels that pseudo-labels have no use for."""
    count = int(is_known.sum())
    how = "-1, None, NaN, '', or a row of zeros among one value per class"
    if count == 0:
        raise ValueError(
            f"`y` must hold some labels; got {len(is_known)} rows without "
            f"({how})."
        )
    if classes < 2:
        raise ValueError(
            f"`y` must name two classes at least; got {classes} in {count} "
            f"labeled rows. Unlabeled are: {how}."
        )
    if count == len(is_known):
        raise ValueError(
            f"`y` must leave some rows unlabeled; got {count} labels for "
            f"{count} rows. Say so with {how}; labels alone are trained on by "
            "fit(tpl.labeled_alone(labeled))."
        )
