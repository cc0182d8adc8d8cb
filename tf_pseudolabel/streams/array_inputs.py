"""Inputs in arrays, lists, tables, and structures of them."""

import collections.abc

import keras
import numpy as np
import tensorflow as tf

from tf_pseudolabel.streams.array_labels import as_array, is_absent


def read(x, rows):
    """Makes arrays of inputs, without a copy of what are arrays.

    Args:
        x: As for `tpl.from_arrays`.
        rows: Int: how many rows they should have.

    Returns:
        Nested arrays `(rows, ...)` of what TensorFlow has a type for.

    Raises:
        ValueError: If something is no array, or has another number of rows.
    """
    return _read("x", x, rows)


def _read(name, x, rows):
    if isinstance(x, collections.abc.Mapping):
        return {key: _read(f"x[{key!r}]", x[key], rows) for key in x}
    if isinstance(x, list) and _is_list_of_inputs(x, rows):
        x = tuple(x)
    if isinstance(x, tuple):
        parts = [_read(f"x[{i}]", part, rows) for i, part in enumerate(x)]
        return type(x)(*parts) if hasattr(x, "_fields") else tuple(parts)
    if hasattr(x, "columns") and hasattr(x, "to_numpy"):
        return _of_table(x, rows)
    return _checked(name, as_array(x), type(x).__name__, rows)


def _is_list_of_inputs(x, rows):
    """Tells the inputs of a network, as Keras reads a list, from rows."""
    if not x or not all(getattr(part, "shape", ()) for part in x):
        return False
    are_inputs = all(part.shape[0] == rows for part in x)
    if are_inputs and len(x) == rows:
        raise ValueError(
            f"A list of arrays holds rows or inputs; got {rows} arrays of "
            f"{rows} rows, which may be either. Pass np.stack(x) for rows, "
            "tuple(x) for inputs."
        )
    return len(x) != rows


def _of_table(table, rows):
    """One float array of numeric columns; a dict of all columns otherwise."""
    columns = {name: _column(name, table[name]) for name in table.columns}
    if columns and all(c.dtype.kind in "biuf" for c in columns.values()):
        whole = np.empty((len(table), len(columns)), keras.config.floatx())
        for number, column in enumerate(columns.values()):
            whole[:, number] = column
        return _checked("x", whole, "", rows)
    return {
        name: _checked(
            f"column {name!r}", column[:, None], str(table[name].dtype), rows
        )
        for name, column in columns.items()
    }


def _column(name, column):
    """The values of a column, all of which must be there."""
    array = as_array(column)
    if array.ndim > 1:
        raise ValueError(
            f"The columns of a table have names of their own; got {name!r} "
            f"{array.shape[1]} times. Rename them."
        )
    absent = array != array
    if array.dtype.kind == "O":
        absent = np.array([is_absent(value) for value in array], bool)
    if absent.any():
        raise ValueError(
            "The columns of a table must have no missing values; got "
            f"{absent.sum()} in {name!r}. Fill them (x.fillna(...)), or leave "
            "the column out."
        )
    if array.dtype.kind == "O" and not _is_text(array):
        # Pandas makes objects of numbers beside a missing value.
        numbers = np.array(array.tolist())
        return numbers if numbers.dtype.kind in "biuf" else array
    return array


def _is_text(array):
    return all(isinstance(value, (str, bytes)) for value in array.flat)


def _checked(name, array, kind, rows):
    """Refuses what is no array of numbers or text with as many rows."""
    is_text = array.dtype.kind != "O" or _is_text(array)
    if array.ndim == 0 or not is_text or not _has_type(array):
        raise ValueError(
            f"`x` must be a dense array of numbers or strings, or a tuple or "
            f"dict of such; got {kind} for {name}. Convert it, by .toarray(), "
            ".to_tensor(), np.stack(...) or .astype(...) for example."
        )
    if len(array) != rows:
        raise ValueError(
            "`x` and `y` must have equally many rows; got "
            f"{len(array)} in {name} and {rows} in y."
        )
    return array


def _has_type(array):
    """Whether TensorFlow has a type for what an array holds."""
    try:
        return bool(tf.as_dtype(array.dtype))
    except TypeError:
        return False
