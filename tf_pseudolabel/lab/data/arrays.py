"""A user's own arrays, in a .npz file."""

import hashlib
import zipfile
import zlib

import numpy as np
import pandas as pd

from tf_pseudolabel.lab.data import numbers, rows
from tf_pseudolabel.lab.data.files import listed, shown
from tf_pseudolabel.lab.data.inputs import Held
from tf_pseudolabel.lab.errors import InputError, reason_of

# By set: its inputs and its labels.
_KEYS = {
    "labeled": ("x_train", "y_train"),
    "unlabeled": ("x_unlabeled", None),
    "validation": ("x_validation", "y_validation"),
    "test": ("x_test", "y_test"),
}
# What str() makes of a label that is missing.
_MISSING = ("None", "nan", "NaN", "<NA>", "NaT")
_DAMAGE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


def load(data_file):
    """Loads arrays of one's own.

    Args:
        data_file: A .npz file with `x_train` and `y_train`, and where they are
            given `x_test` and `y_test`, `x_validation` and `y_validation`,
            `x_unlabeled`. What inputs are is told by `numbers.told`. Labels are
            `(n,)` or `(n, 1)` numbers or strings, or `(n, classes)` with a
            single 1 in each row. Those of `y_train` are unknown where they are
            -1, NaN or "", or a row of 0 or NaN.

    Returns:
        A `Data`. An id is "train/", "test/", "validation/" or "unlabeled/" and
        the number of the row, from 0.

    Raises:
        InputError: If the file cannot be read, or does not hold such arrays.
    """
    arrays = _read(data_file)
    _check_keys(arrays, data_file)
    names = {k: key for k, key in _KEYS.items() if key[0] in arrays}
    inputs = {name: arrays[x] for name, (x, _) in names.items()}
    labels = {name: _labels(arrays, *key) for name, key in names.items()}
    _check_alike(inputs)
    ids = {
        name: np.array([f"{key[0][2:]}/{i}" for i in range(len(inputs[name]))])
        for name, key in names.items()
    }
    paths = {name: y for name, (_, y) in names.items()}
    table = of_arrays(inputs, labels, ids, "y_train", paths)
    x = np.concatenate(list(inputs.values()))
    return data_of(table, x, "x_train")


def of_arrays(inputs, labels, ids, label_column, paths):
    """Puts sets of arrays together; see `rows.of_sets`.

    Args:
        inputs: A dict from names of sets to arrays `(n, ...)`.
        labels: The same of what `written` returned.
        ids: The same of string arrays.
        label_column: What holds the labels, for messages.
        paths: Where each set comes from, for messages.

    Returns:
        `Rows`, without columns.
    """
    return rows.of_sets(
        {name: len(x) for name, x in inputs.items()},
        labels,
        ids,
        label_column,
        paths,
        remedy="bring others; -1 is none",
    )


def data_of(table, x, name):
    """Makes what a source offers.

    Args:
        table: `Rows`.
        x: The inputs of all rows, an array.
        name: What holds them, for messages.

    Returns:
        A `Data`.
    """
    x, kind, notes = numbers.told(x, table.training(), name)
    keys = np.array([_hash(row) for row in x])
    return table.data(Held(x), keys, kind, notes)


def written(y, name):
    """Writes labels as strings.

    Args:
        y: Array of labels; see `load`.
        name: What holds it, for messages.

    Returns:
        A `pandas.Series` of strings; an empty one is an unknown label.

    Raises:
        InputError: If these are no labels.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and y.dtype.kind in "buif":
        y = _hottest(y, name)
    if y.ndim != 1 or y.dtype.kind not in "buifUS":
        raise InputError(
            f"{name} must hold a label per row, a number or a string; got "
            f"{y.dtype.name} of shape {y.shape}; write it so"
        )
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8", "backslashreplace")
    if y.dtype.kind not in "iuf":
        y = y.astype(str)
        missing = np.isin(y, _MISSING)
        if missing.any():
            raise InputError(
                f"a label of {name} that is missing must be an empty string; "
                f'got "{y[missing.argmax()]}" in row {missing.argmax()}, as '
                'str() writes it; write numpy.where(pandas.isna(y), "", y)'
            )
        return pd.Series(y, dtype=object)
    low = y < -1
    if low.any():
        raise InputError(
            f"a label of {name} must be 0 or more, or -1 for none; got "
            f"{y[low.argmax()]} in row {low.argmax()}; correct it"
        )
    # The shortest that its own precision tells from others: 0.1, and 1 for 1.0.
    strings = pd.Series(
        [np.format_float_positional(label, trim="-") for label in y]
        if y.dtype.kind == "f"
        else y.astype(str),
        dtype=object,
    )
    return strings.mask((y == -1) | (y != y), "")


def _hottest(y, name):
    blank = ((y == 0) | (y != y)).all(axis=1)
    single = ((y == 0) | (y == 1)).all(axis=1) & (y.sum(axis=1) == 1)
    single |= blank
    if not single.all():
        raise InputError(
            f"{name} must have a single 1 in each row, and 0 besides, where it "
            f"has a column per class; got {y[single.argmin()].tolist()[:20]} "
            f"in row {single.argmin()}; give class numbers, and -1 for none"
        )
    return np.where(blank, -1, y.argmax(axis=1))


def _labels(arrays, x, y):
    count = len(arrays[x])
    if y is None:
        return pd.Series([""] * count, dtype=object)
    found = written(arrays[y], y)
    if len(found) != count:
        raise InputError(
            f"{x} and {y} must have as many rows; got {count} and "
            f"{len(found)}; drop those without a partner"
        )
    return found


def _read(path):
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (AttributeError, TypeError):  # An array is no context.
        problem = "a single array"
    except _DAMAGE as error:
        problem = reason_of(error)
        if "pickle" in problem.lower():
            problem = "Python objects, which are not loaded"
    raise InputError(
        f"--data_file must be a .npz file of arrays; got {shown(path)} "
        f"({problem}); write it with numpy.savez, strings as arrays of str"
    )


def _check_keys(arrays, path):
    known = [key for keys in _KEYS.values() for key in keys if key]
    needed = {"x_train", "y_train"}
    for x, y in _KEYS.values():
        if y and {x, y} & arrays.keys():
            needed |= {x, y}
    lacking, others = needed - arrays.keys(), arrays.keys() - set(known)
    if lacking or others:
        raise InputError(
            f"the arrays of {shown(path)} must be x_train and y_train, and any "
            f"of {', '.join(known[2:])}, x and y together; got "
            f"{listed(sorted(arrays)) if arrays else 'none'}; rename or add "
            "arrays"
        )
    for name in arrays:
        if not arrays[name].ndim or not len(arrays[name]):
            raise InputError(
                f"{name} must hold at least one row; got shape "
                f"{arrays[name].shape}; add rows, or leave it out"
            )


def _check_alike(inputs):
    """Joined, arrays of other types would lose what tells them apart."""
    first = inputs["labeled"]
    for name, x in inputs.items():
        if (x.shape[1:], x.dtype) != (first.shape[1:], first.dtype):
            raise InputError(
                "all sets must share one shape and type of rows; got "
                f"{first.shape[1:]} {first.dtype.name} in "
                f"{_KEYS['labeled'][0]} and {x.shape[1:]} {x.dtype.name} in "
                f"{_KEYS[name][0]}; convert one of them"
            )


def _hash(row):
    digest = hashlib.blake2b(np.ascontiguousarray(row), digest_size=8).digest()
    return int.from_bytes(digest, "little")
