"""Records of TFRecord files."""

from __future__ import annotations

import dataclasses
import functools
import os
import struct

import numpy as np
import tensorflow as tf

from tf_pseudolabel.lab.data import batches, image_records, tfrecord
from tf_pseudolabel.lab.data.files import shown
from tf_pseudolabel.lab.data.tfrecord import Feature
from tf_pseudolabel.lab.errors import InputError, reason_of
from tf_pseudolabel.lab.serving.requests import images
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

SUFFIXES = (".tfrecord", ".tfrecords")
# A record is its length, a checksum of that, its content and a checksum.
_LENGTH = struct.Struct("<Q")
_AROUND = 16


@dataclasses.dataclass(frozen=True)
class Records(Chunk):
    """Some records of a file.

    Args:
        path: Of the file.
        first: Number of the first record.
        starts: Bytes at which records start.
        lost: What cannot be reached behind these, a sentence; "": nothing.
        feature: Of the input.
        input: Name of the model's input.
        shape: Of a row of it.
        mode: How images are resized, one of `resize.MODES`.
    """

    path: str
    first: int
    starts: tuple[int, ...]
    lost: str
    feature: Feature
    input: str
    shape: tuple[int, ...]
    mode: str

    def read(self):
        """Reads the records; see `Chunk.read`."""
        for start in range(0, len(self.starts), AT_ONCE):
            yield self._read(start, min(start + AT_ONCE, len(self.starts)))
        if self.lost:
            name = f"{name_of(self.path)}:{self.first + len(self.starts)}"
            yield self._nothing([Bad(name, self.lost)])

    def _read(self, start, end):
        numbers = range(self.first + start, self.first + end)
        ids = [f"{name_of(self.path)}:{number}" for number in numbers]
        try:
            contents = _contents(self.path, self.starts[start], end - start)
            return Rows(ids, {self.input: self._parsed(contents)}, [])
        except (tf.errors.OpError, ValueError) as error:
            if end - start == 1:
                return self._nothing([Bad(ids[0], reason_of(error))])
        # Every read costs milliseconds: halves find a few broken ones early.
        middle = (start + end) // 2
        return _joined(self._read(start, middle), self._read(middle, end))

    def _nothing(self, bad):
        return Rows([], {self.input: np.zeros((0, *self.shape))}, bad)

    def _parsed(self, contents):
        feature = self.feature
        spec = {feature.name: tfrecord.stored(feature)}
        rows = tfrecord.parsed(contents, spec, feature)[feature.name].numpy()
        if feature.dtype == "image":
            return _decoder(self.shape, self.mode)(rows).numpy()
        if feature.dtype == "float32" and not np.isfinite(rows).all():
            raise InputError("NaN or infinity")
        return rows.reshape(-1, *self.shape)


def _joined(first, second):
    halves = [x for x in (first, second) if x.ids] or [first]
    inputs = {
        name: np.concatenate([x.inputs[name] for x in halves])
        for name in first.inputs
    }
    return Rows(first.ids + second.ids, inputs, first.bad + second.bad)


@functools.cache
def _decoder(shape, mode):
    """From contents of image files to images."""

    def image(content):
        return images.fitted(
            image_records.decoded(content, shape[-1]), shape, mode
        )

    # A graph: outside of one, every image costs a millisecond.
    return tf.function(
        lambda contents: tf.map_fn(
            image, contents, fn_output_signature=tf.uint8
        ),
        input_signature=[tf.TensorSpec((None,), tf.string)],
    )


def _contents(path, start, count):
    """The contents of records, whose checksums are right.

    Reads from where a record starts, which `tf.data.TFRecordDataset` cannot.
    """
    with tf.device("CPU:0"):
        records = tf.raw_ops.TFRecordDatasetV2(
            filenames=[os.fsencode(path)],
            compression_type="",
            buffer_size=1 << 20,
            byte_offsets=[start],
        )
        stream = tf.data.experimental.from_variant(
            records, tf.TensorSpec((), tf.string)
        )
        stream = batches.untuned(stream.take(count).batch(count))
        contents = stream.get_single_element()
    if len(contents) < count:
        raise InputError("the file ends within it")
    return contents


def chunks(path, model, feature):
    """Cuts a file of records into chunks.

    Args:
        path: Its path, a string.
        model: A `Served` that takes one array.
        feature: The `Feature` of the input.

    Returns:
        A list of `Records`.

    Raises:
        InputError: If the file cannot be read, is compressed, or the feature
            is not what the model takes.
    """
    check_readable(path)
    ((name, spec),) = model.inputs.items()
    shape = tuple(spec.shape[1:])
    # A channel or a column that is not written out.
    shapes = (shape, shape[:-1]) if shape[-1:] == (1,) else (shape,)
    if feature.dtype != "image" and feature.shape not in shapes:
        raise InputError(
            f"records must hold what the model takes, rows of shape {shape}; "
            f"got {feature.shape} in --features_file; correct it"
        )
    starts, lost = _starts(path)
    if lost and not starts:
        raise InputError(
            f"{shown(path)} must be a TFRecord file that is not compressed; "
            f"got: {lost}; write it again"
        )
    mode = (model.about and model.about.resize) or "stretch"
    key = key_of([path], feature, shape, mode)
    return [
        Records(
            f"{key}-{first}",
            len(some := starts[first : first + MOST_ROWS]),
            path,
            first,
            tuple(some),
            lost if first + MOST_ROWS >= len(starts) else "",
            feature,
            name,
            shape,
            mode,
        )
        for first in range(0, len(starts), MOST_ROWS)
    ]


def _starts(path):
    """Where records start, and what is lost behind them, a sentence."""
    starts, size = [], os.path.getsize(path)
    with open(path, "rb") as file:
        position = 0
        while position < size:
            file.seek(position)
            head = file.read(_LENGTH.size)
            end = position + _AROUND
            if len(head) == _LENGTH.size:
                end += _LENGTH.unpack(head)[0]
            if len(head) < _LENGTH.size or end > size:
                return starts, f"the file is damaged from byte {position} on"
            starts.append(position)
            position = end
    return starts, ""
