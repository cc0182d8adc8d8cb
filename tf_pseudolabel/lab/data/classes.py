"""Classes as people write them: a column of names or numbers."""

import numpy as np

from tf_pseudolabel.lab.data.files import listed
from tf_pseudolabel.lab.errors import InputError

# More different labels than these are measurements.
_MOST_NUMBERS = 1000
_MOST_FRACTIONS = 100
_REMEDY = "name the column of the classes as --label_column"


def written(labels):
    """Writes labels in one way: without blanks around them, 1.0 as 1.

    Args:
        labels: A `pandas.Series` of strings.

    Returns:
        A series like it; an empty string is an unknown label.
    """
    # Whole numbers get a fraction where a library had no other way to write
    # that some are missing.
    return labels.str.strip().str.replace(r"^(-?\d+)\.0+$", r"\1", regex=True)


def names_of(labels, column, remedy=_REMEDY):
    """Finds the classes.

    Args:
        labels: What `written` returned, of training rows.
        column: Name of the column, for messages.
        remedy: What to do where these are no classes. Defaults to naming
            another column.

    Returns:
        A tuple of strings, without the empty one: sorted, as numbers if they
        all are.

    Raises:
        InputError: If there are fewer than two classes, or these are no
            classes.
    """
    counts = labels[labels != ""].value_counts()
    names = sorted(counts.index)
    if len(names) < 2:
        raise InputError(
            f'column "{column}" must hold at least two classes; got '
            f"{names or 'no label'}; {remedy}"
        )
    numbers = _numbers(names)
    if numbers is not None:
        _check_numbers(column, numbers, remedy)
        names = [name for _, name in sorted(zip(numbers, names, strict=True))]
    if counts.max() == 1:
        raise InputError(
            f'column "{column}" must hold classes, which rows share; got '
            f"another label in each of {len(names)} rows; {remedy}"
        )
    return tuple(names)


def indices_of(labels, names):
    """Numbers labels by their class.

    Args:
        labels: What `written` returned.
        names: What `names_of` returned.

    Returns:
        Int64 array `(n,)`; -1 where the label is none of the names.
    """
    numbers = {name: number for number, name in enumerate(names)}
    codes, values = labels.factorize()
    return np.array([numbers.get(x, -1) for x in values], np.int64)[codes]


def check_known(labels, indices, path):
    """Refuses rows to measure with whose class is unknown, or never trained.

    Args:
        labels: What `written` returned.
        indices: What `indices_of` returned for them.
        path: Of their file, for messages.

    Raises:
        InputError: If there is such a row.
    """
    unknown = indices < 0
    if not unknown.any():
        return
    found = sorted(set(labels[unknown]))
    example = int(unknown.argmax())
    what = "empty" if found == [""] else listed([f'"{x}"' for x in found if x])
    raise InputError(
        f"every label of {path} must be a class of the labeled rows; got "
        f"{what} in {int(unknown.sum())} rows, the first of them row "
        f"{example}; correct or remove them"
    )


def _numbers(names):
    """The names as numbers; None if one of them is none."""
    try:
        return [float(name) for name in names]
    except ValueError:
        return None


def _check_numbers(column, numbers, remedy):
    whole = all(number.is_integer() for number in numbers)
    most = _MOST_NUMBERS if whole else _MOST_FRACTIONS
    if len(numbers) > most:
        raise InputError(
            f'column "{column}" must hold classes; got {len(numbers)} '
            "different numbers, which are measurements: a classifier does not "
            f"predict these; {remedy}, or write ranges as classes"
        )
