"""Texts in a file, of which a few bytes each are held in memory."""

import os
import tempfile

import numpy as np
import tensorflow as tf

from tf_pseudolabel.lab.data.inputs import Inputs
from tf_pseudolabel.lab.errors import InputError


class Texts(Inputs):
    """Texts that lie in a file without a name, as long as they are used.

    Args:
        parts: An iterator over lists of strings.

    Raises:
        InputError: If the file cannot be written.
    """

    portable = False
    spec = tf.TensorSpec((), tf.string)

    def __init__(self, parts):
        # Open as long as this is.
        self._file = _told(tempfile.TemporaryFile)
        sizes = [np.zeros(1, np.int64)]
        for part in parts:
            encoded = [text.encode() for text in part]
            _told(self._file.write, b"".join(encoded))
            sizes.append(np.array([len(text) for text in encoded], np.int64))
        _told(self._file.flush)
        self._ends = np.cumsum(np.concatenate(sizes))

    def __len__(self):
        return len(self._ends) - 1

    def batch(self, rows):
        """Reads rows; see `Inputs.batch`."""
        texts = tf.numpy_function(self._read, [rows], tf.string)
        return tf.ensure_shape(texts, rows.shape)

    def _read(self, rows):
        file, ends = self._file.fileno(), self._ends
        pairs = zip(ends[rows].tolist(), ends[rows + 1].tolist(), strict=True)
        found = np.empty(len(rows), object)
        found[:] = [os.pread(file, end - start, start) for start, end in pairs]
        return found


def _told(call, *given):
    """Calls what needs room on the disk; says in one line if there is none."""
    try:
        return call(*given)
    except OSError as error:
        raise InputError(
            f"texts must be written to {tempfile.gettempdir()}; got "
            f"{error.strerror}; make room there, or set TMPDIR to another "
            "directory"
        ) from error
