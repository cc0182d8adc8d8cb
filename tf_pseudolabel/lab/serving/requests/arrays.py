"""Rows of arrays: .npy and .npz files."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import zipfile
import zlib

import numpy as np

from tf_pseudolabel.lab.data.files import listed, shown
from tf_pseudolabel.lab.errors import InputError, reason_of
from tf_pseudolabel.lab.serving.requests.chunk import (
    AT_ONCE,
    MOST_ROWS,
    Bad,
    Chunk,
    Rows,
    check_readable,
    key_of,
    name_of,
)

SUFFIXES = (".npy", ".npz")
_DAMAGE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclasses.dataclass(frozen=True)
class Array(Chunk):
    """Some rows of an array.

    Args:
        path: Of the file.
        first: Number of the first row.
        input: Name of the model's input.
        shape: Of a row.
        dtype: What the model takes.
    """

    path: str
    first: int
    input: str
    shape: tuple[int, ...]
    dtype: str

    def read(self):
        """Reads the rows; see `Chunk.read`."""
        array = _opened(self.path, self.key.partition("-")[0])
        end = self.first + self.size
        for start in range(self.first, end, AT_ONCE):
            yield self._read(array, start, min(start + AT_ONCE, end))

    def _read(self, array, start, end):
        given = array[start:end].reshape(-1, *self.shape)
        # NaN has no whole number; large floats become infinite.
        with np.errstate(invalid="ignore", over="ignore"):
            rows = given.astype(self.dtype)
        ids = [f"{name_of(self.path)}:{row}" for row in range(start, end)]
        reason, fits = "NaN or infinity", np.isfinite(rows)
        if rows.dtype.kind in "iu" and given.dtype != rows.dtype:
            reason, fits = f"not {self.dtype} as in training", rows == given
        whole = fits.reshape(len(rows), -1).all(axis=1)
        bad = [Bad(ids[row], reason) for row in np.flatnonzero(~whole)]
        kept = [ids[row] for row in np.flatnonzero(whole)]
        return Rows(kept, {self.input: rows[whole]}, bad)


def chunks(path, model):
    """Cuts an array into chunks.

    Args:
        path: Of a .npy or .npz file, a string; of several arrays in a .npz
            file, x is taken.
        model: A `Served` that takes one array.

    Returns:
        A list of `Array`.

    Raises:
        InputError: If the file cannot be read, or holds no rows for the model.
    """
    check_readable(path)
    ((given, spec),) = model.inputs.items()
    shape, dtype = tuple(spec.shape[1:]), spec.dtype.as_numpy_dtype
    array = _loaded(path)
    # A channel or a column that is not written out.
    fits = array.shape[1:] in (shape, shape[: -(shape[-1:] == (1,)) or None])
    if not array.ndim or not fits or array.dtype.kind not in "buif":
        raise InputError(
            f"rows of {shown(path)} must be what the model takes, "
            f"{np.dtype(dtype).name} of shape {shape}; got {array.dtype.name} "
            f"of shape {array.shape[1:]}; give such rows"
        )
    is_other = (dtype == np.uint8) != (array.dtype == np.uint8)
    # Numbers of any kind are numbers; pixels have a white.
    if is_other and (dtype == np.uint8 or len(shape) == 3):
        raise InputError(
            f"pixels of {shown(path)} must be {np.dtype(dtype).name}, as in "
            f"training; got {array.dtype.name}; convert them to its range"
        )
    key = key_of([path], shape, np.dtype(dtype).name)
    return [
        Array(
            f"{key}-{first}",
            min(MOST_ROWS, len(array) - first),
            path,
            first,
            given,
            shape,
            np.dtype(dtype).name,
        )
        for first in range(0, len(array), MOST_ROWS)
    ]


def _opened(path, key):
    # Of a mapped file, what was read counts as memory until it is closed.
    return _loaded(path) if _is_mapped(path) else _unpacked(path, key)


# The key: a file that has changed is opened again.
@functools.lru_cache(1)
def _unpacked(path, key):
    return _loaded(path)


def _is_mapped(path):
    return pathlib.Path(path).suffix.lower() == ".npy"


def _loaded(path):
    """The array of a file; of .npy files, rows are read when they are used."""
    try:
        if _is_mapped(path):
            return np.load(path, mmap_mode="r", allow_pickle=False)
        with np.load(path, allow_pickle=False) as archive:
            return archive[_name(path, archive.files)]
    except _DAMAGE as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{shown(path)} must be a file of arrays; got: {reason_of(error)}; "
            "write it with numpy.save"
        ) from error


def _name(path, names):
    if "x" in names or len(names) == 1:
        return "x" if "x" in names else names[0]
    raise InputError(
        f"of several arrays, that of the rows must be called x; got "
        f"{listed(sorted(names)) or 'none'} in {shown(path)}; save it alone"
    )
