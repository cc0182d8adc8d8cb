"""Image files, read by number and decoded inside of `tf.data`."""

from __future__ import annotations

import math
import os
import sys
import time

import numpy as np
import tensorflow as tf

from tf_pseudolabel.lab.data import batches, caching, decoding, resize
from tf_pseudolabel.lab.data.inputs import Held, Inputs

# Files that are read at once. Not left to TensorFlow, whose tuning thread
# holds up the end of an iterator.
_AT_ONCE = 4


class ImageFiles(Inputs):
    """Images of one shape, read and decoded at each use.

    Args:
        images: n files.
        plain: `(n,)` bool: files that TensorFlow decodes to the pixels that
            Pillow gives. Only of others does Pillow take care.
        shape: Height, width and channels of all images.
        mode: How those of another size are resized, one of `resize.MODES`;
            None: there are none.
    """

    def __init__(self, images, plain, shape, mode=None):
        self._shape, self._mode = tuple(shape), mode
        self.spec = tf.TensorSpec(self._shape, tf.uint8)
        self.portable = bool(np.all(plain))
        with tf.device("CPU:0"):
            self._folders = tf.constant(list(map(os.fsencode, images.folders)))
            self._folder = tf.constant(images.folder)
            # One string: a million of them take three times the memory.
            self._last = tf.constant(images.last)
            self._ends = tf.constant(images.ends)
            self._plain = tf.constant(plain, tf.bool)

    def __len__(self):
        return len(self._plain)

    def batch(self, rows):
        """Reads rows; see `Inputs.batch`."""
        count = tf.size(rows, tf.int64)

        def images():
            each = tf.data.Dataset.from_tensor_slices(rows).map(
                self._image, num_parallel_calls=_AT_ONCE, deterministic=True
            )
            return batches.untuned(each.batch(count)).get_single_element()

        return tf.ensure_shape(
            tf.cond(
                count > 0,
                images,
                lambda: tf.zeros([0, *self._shape], tf.uint8),
            ),
            [*rows.shape, *self._shape],
        )

    def _image(self, row):
        start, end = self._ends[row], self._ends[row + 1]
        last = tf.strings.substr(self._last, start, end - start)
        content = tf.io.read_file(self._folders[self._folder[row]] + last)
        channels = self._shape[-1]
        if self.portable:
            image = decode_with_tensorflow(content, channels)
        else:
            image = tf.cond(
                self._plain[row],
                lambda: decode_with_tensorflow(content, channels),
                lambda: _decode_with_pillow(content, channels),
            )
        if self._mode is not None:
            image = tf.cond(
                tf.reduce_all(tf.shape(image) == self._shape),
                lambda: image,
                lambda: resize.resize(image, self._shape[:2], self._mode),
            )
        return tf.ensure_shape(image, self._shape)


# What TensorFlow's decoder does not heed, though Pillow does: an orientation
# other than 1, whatever the order of its bytes; frames; and 16 bits.
_BEYOND = (
    rb"\x12\x01\x03\x00\x01\x00\x00\x00[^\x01]",
    rb"\x01\x12\x00\x03\x00\x00\x00\x01\x00[^\x01]",
    rb"\x12\x01[\x01\x02\x04-\x0c]\x00\x01\x00\x00\x00",
    rb"\x01\x12\x00[\x01\x02\x04-\x0c]\x00\x00\x00\x01",
    rb"tiff:Orientation|XML:com\.adobe\.xmp|Raw profile type|acTL",
    rb"IHDR\C{8}\x10",
)


def is_plain(content):
    """Whether TensorFlow decodes a file to the pixels that Pillow gives.

    Args:
        content: String tensor, scalar: what a file holds.

    Returns:
        A bool tensor; true for most JPEG and PNG files, and for nothing else.
    """
    is_png = tf.strings.substr(content, 0, 4) == b"\x89PNG"
    beyond = rb"\C*(" + b"|".join(_BEYOND) + rb")\C*"
    return (is_png | tf.io.is_jpeg(content)) & ~tf.strings.regex_full_match(
        content, beyond
    )


def decode_with_tensorflow(content, channels=0):
    """Decodes a JPEG or PNG file in a graph.

    JPEG files become the pixels of libjpeg's accurate transform, which Pillow
    uses. EXIF orientation is not looked at.

    Args:
        content: String tensor, scalar: what a file holds.
        channels: 1 or 3; 0: as many as the file has, alpha among them.

    Returns:
        The image, `(height, width, channels)` uint8.
    """
    image = tf.io.decode_jpeg(content, channels, dct_method="INTEGER_ACCURATE")
    return tf.ensure_shape(image, [None, None, channels or None])


def _decode_with_pillow(content, channels):
    def decode(content):
        pixels, _ = decoding.decode(content)
        return np.broadcast_to(pixels, (*pixels.shape[:2], channels))

    image = tf.numpy_function(decode, [content], tf.uint8)
    return tf.ensure_shape(image, [None, None, channels])


def cached(inputs: ImageFiles, cache: str) -> tuple[Inputs, str]:
    """Decodes all images once if they are to be kept, or fit comfortably.

    Args:
        inputs: The images.
        cache: As for `caching.is_held`.

    Returns:
        A pair: the same rows, and a sentence that says where they are.
    """
    size = len(inputs) * math.prod(inputs.spec.shape)
    is_held, of_size = caching.is_held(size, cache)
    if not is_held:
        return inputs, f"Images are decoded whenever they are used{of_size}."
    return (
        Held(_read_all(inputs)),
        f"Images are decoded once and kept in memory{of_size}.",
    )


def _read_all(inputs: ImageFiles, at_once: int = 1000) -> np.ndarray:
    """All images, without a second copy of them."""
    images = np.empty((len(inputs), *inputs.spec.shape), np.uint8)
    said = time.monotonic()
    for start in range(0, len(images), at_once):
        stop = min(start + at_once, len(images))
        images[start:stop] = inputs.batch(tf.range(start, stop, dtype=tf.int64))
        if time.monotonic() - said > 10:
            said = time.monotonic()
            print(
                f"Decoded {stop:,} of {len(images):,} images.",
                file=sys.stderr,
                flush=True,
            )
    return images


def without_palette(content):
    """Refuses BMP files with a palette, of which TensorFlow makes pixels.

    Args:
        content: String tensor, scalar: an image file.

    Returns:
        The same; running it raises `tf.errors.InvalidArgumentError` for those.
    """
    bits = tf.io.decode_raw(tf.strings.substr(content, 28, 1), tf.uint8)
    is_bmp = tf.strings.substr(content, 0, 2) == b"BM"
    message = "BMP files must have 24 bits or more for each pixel"
    is_plain = tf.debugging.Assert(
        ~is_bmp | tf.reduce_all(bits >= 24), [message]
    )
    with tf.control_dependencies([is_plain]):
        return tf.identity(content)
