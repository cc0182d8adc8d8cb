"""Image files as a model takes them."""

from __future__ import annotations

import dataclasses
import os
import pathlib

import numpy as np
import tensorflow as tf

from tf_pseudolabel.lab.data import batches, decoding, image_files, resize
from tf_pseudolabel.lab.errors import InputError, reason_of
from tf_pseudolabel.lab.serving.requests.chunk import (
    AT_ONCE,
    Bad,
    Chunk,
    Rows,
    key_of,
    name_of,
)

SUFFIXES = decoding.SUFFIXES
_THREADS = 4


@dataclasses.dataclass(frozen=True)
class Images(Chunk):
    """Image files, decoded as in training: turned as EXIF says, and resized.

    Args:
        paths: Of the files.
        input: Name of the model's input.
        shape: Height, width and channels.
        mode: One of `resize.MODES`.
    """

    paths: tuple[str, ...]
    input: str
    shape: tuple[int, int, int]
    mode: str

    def read(self):
        """Reads the files; see `Chunk.read`."""
        for start in range(0, len(self.paths), AT_ONCE):
            yield self._read(self.paths[start : start + AT_ONCE])

    def _read(self, paths):
        pixels = np.zeros((len(paths), *self.shape), np.uint8)
        whole = np.zeros(len(paths), bool)
        for row, image in plain(paths, self.shape, self.mode):
            pixels[row], whole[row] = image, True
        bad = []
        for row in np.flatnonzero(~whole):
            try:
                content = pathlib.Path(paths[row]).read_bytes()
                pixels[row] = other(content, self.shape, self.mode)
                whole[row] = True
            except (OSError, InputError) as error:
                bad.append(Bad(name_of(paths[row]), reason_of(error)))
        ids = [name_of(paths[row]) for row in np.flatnonzero(whole)]
        return Rows(ids, {self.input: pixels[whole]}, bad)


def chunk(paths, model, mode):
    """Makes a chunk of image files.

    Args:
        paths: Sequence of paths.
        model: A `Served` of images.
        mode: One of `resize.MODES`.

    Returns:
        `Images`.
    """
    ((name, spec),) = model.inputs.items()
    shape = tuple(spec.shape[1:])
    key = key_of(paths, shape, mode)
    return Images(key, len(paths), tuple(paths), name, shape, mode)


def plain(paths, shape, mode):
    """Decodes those files that TensorFlow decodes as Pillow would.

    Args:
        paths: Sequence of paths.
        shape: Height, width and channels to resize to.
        mode: One of `resize.MODES`.

    Yields:
        Pairs of a number of a path and its image; others are left out.
    """

    def decoded(row, path):
        content = tf.io.read_file(path)
        tf.debugging.assert_equal(image_files.is_plain(content), True)
        image = image_files.decode_with_tensorflow(content, shape[-1])
        return row, fitted(image, shape, mode)

    with tf.device("CPU:0"):
        names = tf.data.Dataset.from_tensor_slices(
            [os.fsencode(path) for path in paths]
        )
        found = names.enumerate().map(decoded, num_parallel_calls=_THREADS)
        yield from batches.untuned(found.ignore_errors()).as_numpy_iterator()


def other(content, shape, mode):
    """Decodes any image file.

    Args:
        content: Bytes.
        shape: Height, width and channels to resize to.
        mode: One of `resize.MODES`.

    Returns:
        Array `shape` uint8.

    Raises:
        InputError: If it is none; the message is the reason.
    """
    pixels, _ = decoding.decode(content)
    if pixels.shape[-1] > shape[-1]:
        # As TensorFlow makes colours grey.
        pixels = tf.image.rgb_to_grayscale(pixels).numpy()
    pixels = np.broadcast_to(pixels, (*pixels.shape[:2], shape[-1]))
    with tf.device("CPU:0"):
        return fitted(tf.constant(pixels), shape, mode).numpy()


def fitted(image, shape, mode):
    """Resizes an image unless it has the size.

    Args:
        image: Tensor `(height, width, channels)` uint8.
        shape: Height, width and channels.
        mode: One of `resize.MODES`.

    Returns:
        Tensor `shape` uint8.
    """
    image = tf.cond(
        tf.reduce_all(tf.shape(image) == shape),
        lambda: image,
        lambda: resize.resize(image, shape[:2], mode),
    )
    return tf.ensure_shape(image, shape)
