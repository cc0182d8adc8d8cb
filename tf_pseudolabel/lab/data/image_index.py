"""One look at each image file, remembered for the next start."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import sys
import tempfile
import time
import typing
from collections.abc import Sequence

import numpy as np
import PIL
import tensorflow as tf
from absl import logging

from tf_pseudolabel.lab.data import batches, decoding, image_files
from tf_pseudolabel.lab.data.files import shown
from tf_pseudolabel.lab.errors import InputError

# What is known of a file. Files that cannot be read have no record: they may be
# mended.
RECORD = np.dtype(
    [
        ("key", "u8"),  # of path, size and time of the last change; 0: none
        ("pixels", "u8"),  # equal for the same picture, however it is stored
        ("look", "u8"),  # equal for pictures that nearly look the same
        ("height", "u4"),
        ("width", "u4"),
        ("channels", "u1"),
        ("plain", "?"),  # as `image_files.is_plain` says
        ("said", "u1"),  # bits of `decoding.REMARKS`
    ]
)
_TRAITS = ("pixels", "look", "height", "width", "channels")
_AT_ONCE = 1000
_MOST_PATHS = 100_000
_SECONDS = 10


class Looks(typing.NamedTuple):
    """What was found of some files.

    Attributes:
        rows: `(k,)` int: which of the files could be read.
        records: `(k,)` of `RECORD`.
        unreadable: A dict from the row of every other file to the reason.
    """

    rows: np.ndarray
    records: np.ndarray
    unreadable: dict[int, str]


def look(root: pathlib.Path, paths: Sequence[str]) -> Looks:
    """Reads image files, but for those that an earlier process has read.

    Args:
        root: The folder that they lie under; one index is kept for each.
        paths: Their paths.

    Returns:
        What was found of them.
    """
    index = _place(root)
    known = _load(index)
    keys, unreadable = _keys(paths)
    records = np.zeros(len(paths), RECORD)
    places = np.searchsorted(known["key"], keys)
    places[places == len(known)] = 0
    if len(known):
        is_known = (known["key"][places] == keys) & (keys != 0)
        records[is_known] = known[places[is_known]]
    new = np.flatnonzero((records["key"] == 0) & (keys != 0))
    said = time.monotonic()
    for done, (rows, found, reasons) in _in_turn(paths, new):
        records[rows] = found
        records["key"][rows] = keys[rows]
        unreadable |= reasons
        if time.monotonic() - said > _SECONDS:
            said = time.monotonic()
            # Whoever is interrupted then goes on from here.
            _save(index, records)
            print(
                f"Looked at {done:,} of {len(new):,} files in {shown(root)}.",
                file=sys.stderr,
                flush=True,
            )
    if len(new) or len(known) != np.count_nonzero(records["key"]):
        _save(index, records)
    rows = np.flatnonzero(records["key"])
    if unreadable:
        records = records[rows]
    return Looks(rows, records, dict(sorted(unreadable.items())))


def _in_turn(paths: Sequence[str], rows: np.ndarray) -> typing.Iterator:
    """Reads some files as `_read` does, but not the paths of all at once."""
    for start in range(0, len(rows), _MOST_PATHS):
        some = rows[start : start + _MOST_PATHS]
        for done, (places, found, reasons) in _read([paths[x] for x in some]):
            reasons = {int(some[place]): x for place, x in reasons.items()}
            yield start + done, (some[places], found, reasons)


def _keys(paths: Sequence[str]) -> tuple[np.ndarray, dict[int, str]]:
    """The keys of files, 0 where one is gone, and why."""
    keys, gone = np.zeros(len(paths), "u8"), {}
    for row, path in enumerate(paths):
        try:
            status = os.stat(path)
        except OSError as error:
            gone[row] = error.strerror
            continue
        text = f"{status.st_size} {status.st_mtime_ns} {os.path.abspath(path)}"
        keys[row] = int.from_bytes(_digest(os.fsencode(text)), "big") or 1
    return keys, gone


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=8).digest()


def _read(paths: list[str]) -> typing.Iterator:
    """Yields how many are done, and of some files rows, records and failures.

    TensorFlow reads plain files, several at a time and outside of Python's
    lock; what is left, Pillow reads.
    """
    done, left = 0, np.ones(len(paths), bool)
    for row, *traits in _plain_traits(paths):
        found = np.zeros(len(row), RECORD)
        for name, values in zip(_TRAITS, traits, strict=True):
            found[name] = values
        found["plain"] = True
        left[row] = False
        done += len(row)
        yield done, (row, found, {})
    for row in np.flatnonzero(left):
        done += 1
        try:
            found = np.array([_with_pillow(paths[row])], RECORD)
        except OSError as error:
            yield done, ([], [], {row: error.strerror})
        except InputError as error:
            yield done, ([], [], {row: str(error)})
        else:
            yield done, ([row], found, {})


def _plain_traits(paths: list[str]) -> typing.Iterator[tuple]:
    """Yields rows and traits of the plain files that can be decoded."""

    def traits(row, path):
        content = tf.io.read_file(path)
        image = tf.cond(
            image_files.is_plain(content),
            lambda: image_files.decode_with_tensorflow(content),
            lambda: tf.zeros([0, 0, 1], tf.uint8),
        )
        channels = tf.shape(image)[-1]
        # CMYK, of which there are several readings.
        known = (channels < 4) | ~tf.io.is_jpeg(content)
        # The last of two or four is alpha.
        image = image[..., : channels - (channels + 1) % 2]
        is_there = known & (tf.size(image) > 0)
        tf.debugging.assert_equal(is_there, True)
        return row, *_traits(image)

    with tf.device("CPU:0"):
        files = tf.data.Dataset.from_tensor_slices(
            [os.fsencode(path) for path in paths] or tf.zeros([0], tf.string)
        )
        found = files.enumerate().map(traits, num_parallel_calls=_THREADS)
        batches_of = found.ignore_errors().batch(_AT_ONCE)
        yield from batches.untuned(batches_of).as_numpy_iterator()


_THREADS = os.cpu_count() or 1


def _traits(image: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Fingerprint, look and shape of an image `(height, width, 1 or 3)`."""
    image = tf.ensure_shape(image, [None, None, None])
    shape = tf.shape(image)
    grey = tf.cond(
        tf.reduce_all(image == image[..., :1]),
        lambda: image[..., :1],  # Also if it is stored as colours.
        lambda: image,
    )
    content = tf.concat(
        [
            tf.reshape(tf.bitcast(tf.shape(grey), tf.uint8), [-1]),
            tf.reshape(grey, [-1]),
        ],
        axis=0,
    )
    pixels = tf.raw_ops.Fingerprint(
        data=content[tf.newaxis], method="farmhash64"
    )
    # A difference hash: which way brightness goes, 8 x 8 times.
    small = tf.image.resize(
        tf.reduce_mean(tf.cast(image, tf.float32), -1, keepdims=True),
        (8, 9),
        method="area",
    )
    bits = tf.cast(small[:, 1:, 0] > small[:, :-1, 0], tf.int32)
    look = tf.reduce_sum(bits * [1, 2, 4, 8, 16, 32, 64, 128], axis=1)
    look = tf.cast(look, tf.uint8)
    hashes = [tf.bitcast(x, tf.uint64) for x in (pixels[0], look)]
    return (*hashes, *tf.unstack(shape))


def _with_pillow(path: str) -> tuple:
    """The record of a file but for its key."""
    pixels, remarks = decoding.decode(pathlib.Path(path).read_bytes())
    with tf.device("CPU:0"):
        traits = [int(value) for value in _traits(tf.constant(pixels))]
    bits = sum(1 << decoding.REMARKS.index(remark) for remark in remarks)
    return (0, *traits, False, bits)


def _place(root: pathlib.Path) -> pathlib.Path:
    """Where the index of a folder lies; that of other decoders is another."""
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    versions = f"{RECORD} {PIL.__version__} {tf.__version__}"
    name = _digest(os.fsencode(root.resolve()) + versions.encode()).hex()
    return pathlib.Path(home) / "tf_pseudolabel" / "images" / f"{name}.npy"


def _load(index: pathlib.Path) -> np.ndarray:
    """The records of an index, sorted by key; none if it is not whole."""
    with contextlib.suppress(OSError, ValueError, EOFError):
        known = np.load(index, allow_pickle=False)
        if known.dtype == RECORD and known.ndim == 1:
            return known
    return np.zeros(0, RECORD)


def _save(index: pathlib.Path, records: np.ndarray):
    records = records[records["key"] != 0]
    try:
        index.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=index.parent, delete=False
        ) as partial:
            np.save(partial, records[np.argsort(records["key"])])
        os.replace(partial.name, index)
    except OSError as error:
        logging.error(
            "The index of images could not be kept in %s: %s. Every start "
            "reads all files; set XDG_CACHE_HOME to another directory.",
            index.parent,
            error.strerror,
        )
