"""A user's own TFRecord files."""

import dataclasses
import glob
import math
import os
import pathlib

import numpy as np
import tensorflow as tf

from tf_pseudolabel.lab import json_file
from tf_pseudolabel.lab.data import arrays, image_records
from tf_pseudolabel.lab.data.files import name_of, shown
from tf_pseudolabel.lab.errors import InputError, reason_of

_AT_ONCE = 1024
_EXAMPLE = (
    '{"input": {"name": "image", "dtype": "image"}, '
    '"label": {"name": "label", "dtype": "int64"}}'
)
# What a feature holds: as it is stored, and how many values of it a row has.
_STORED = {
    "image": tf.string,
    "uint8": tf.string,
    "string": tf.string,
    "float32": tf.float32,
    "int64": tf.int64,
}
_INPUTS = ("image", "uint8", "float32", "int64")
_LABELS = {"int64": -1, "string": ""}


@dataclasses.dataclass(frozen=True)
class Feature:
    """A feature of a record.

    Args:
        name: Its name.
        dtype: A key of `_STORED`: "image" is an encoded picture, and "uint8"
            bytes as they are.
        shape: Of a row; None: an image has its own.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] | None = None


def load(
    data_file,
    features_file,
    unlabeled_file=None,
    validation_file=None,
    test_file=None,
    image_size=None,
):
    """Loads records of `tf.train.Example`.

    Files whose names end in .gz are compressed. Numbers are held in memory;
    of images, the files that records hold are.

    Args:
        data_file: Names of files, which may have wildcards, separated by
            commas. Records without label are unlabeled.
        features_file: A JSON file: a feature that is the "input" and one that
            is the "label", each with "name", "dtype" and, of other dtypes than
            "image", "shape".
        unlabeled_file: Records whose labels are measured with alone.
        validation_file: Records to choose by. Defaults to some of `data_file`.
        test_file: The same for records to measure with.
        image_size: Height and width to resize images to. Defaults to none: all
            must agree.

    Returns:
        A `Data`. An id is the file's path from the folder that all files share,
        a colon and the number of the record, from 0.

    Raises:
        InputError: If a file cannot be read, or does not hold such records.
    """
    given = {
        "labeled": ("data_file", data_file),
        "unlabeled": ("unlabeled_file", unlabeled_file),
        "validation": ("validation_file", validation_file),
        "test": ("test_file", test_file),
    }
    value, label = features(features_file)
    if image_size is not None and value.dtype != "image":
        raise InputError(
            f"--image_size is for images; got an input of dtype {value.dtype} "
            f"in {shown(features_file)}; leave it out"
        )
    paths = {k: _paths(*flag) for k, flag in given.items() if flag[1]}
    _check_once(paths)
    names = _names([path for of in paths.values() for path in of])
    inputs, labels, ids = {}, {}, {}
    for name, files in paths.items():
        parts = [_read(path, value, label) for path in files]
        inputs[name] = np.concatenate([x for x, _ in parts])
        labels[name] = np.concatenate([y for _, y in parts])
        ids[name] = np.array(
            [
                f"{names[path]}:{number}"
                for path, (x, _) in zip(files, parts, strict=True)
                for number in range(len(x))
            ]
        )
    table = arrays.of_arrays(
        inputs,
        {k: arrays.written(y, label.name) for k, y in labels.items()},
        ids,
        label.name,
        {k: ",".join(map(str, files)) for k, files in paths.items()},
    )
    x = np.concatenate(list(inputs.values()))
    if value.dtype == "image":
        return image_records.data_of(table, x, value.shape, image_size)
    return arrays.data_of(table, x, value.name)


def features(path):
    """Reads what features of records are.

    Args:
        path: A JSON file; see `load`.

    Returns:
        A pair of `Feature`: of the input and of the label.

    Raises:
        InputError: If it says something else.
    """
    remedy = f"Write {_EXAMPLE}."
    found = json_file.read(path, "a JSON file of features", remedy)
    try:
        value, label = (Feature(**found[key]) for key in ("input", "label"))
        shape = value.shape
        if shape is not None:
            value = dataclasses.replace(value, shape=tuple(shape))
        right = (
            found.keys() == {"input", "label"}
            and all(isinstance(x.name, str) and x.name for x in (value, label))
            and value.dtype in _INPUTS
            and label.dtype in _LABELS
            and label.shape in (None, [])
            and (value.dtype == "image" or shape is not None)
            and all(isinstance(x, int) and x > 0 for x in value.shape or ())
            and (value.dtype != "image" or len(value.shape or "hwc") == 3)
        )
        problem = "other values"
    except (KeyError, TypeError) as error:
        right, problem = False, str(error) or type(error).__name__
    if not right:
        raise InputError(
            f'{shown(path)} must hold an "input" of dtype '
            f'{", ".join(_INPUTS)} and a "label" of dtype '
            f'{", ".join(_LABELS)}, each with "name" and, where it is no image '
            f'and no label, "shape"; got {problem}; write {_EXAMPLE}'
        )
    return value, label


def _paths(flag, patterns):
    """The files that a flag names, in the order of their names."""
    found = []
    # One file may have a comma in its name.
    alone = os.path.exists(patterns)
    for pattern in [patterns] if alone else patterns.split(","):
        here = [pattern] if os.path.exists(pattern) else glob.glob(pattern)
        files = sorted(path for path in here if os.path.isfile(path))
        if not files:
            raise InputError(
                f"--{flag} must name files that exist; got {shown(pattern)} "
                "without any; correct the path"
            )
        found += [pathlib.Path(path) for path in files]
    return found


def _check_once(paths):
    seen = {}
    for name, files in paths.items():
        for path in files:
            other = seen.setdefault(os.path.realpath(path), name)
            if other != name or files.count(path) > 1:
                raise InputError(
                    "a file must be named once; got "
                    f"{shown(path)} for {other} and {name} records; name files "
                    "of their own"
                )


def _names(paths):
    """From a path to a name that is the same on every machine."""
    folder = os.path.commonpath([path.parent.absolute() for path in paths])
    return {
        path: name_of(path.absolute().relative_to(folder).as_posix())
        for path in paths
    }


def _read(path, value, label):
    """The inputs and labels of a file."""
    spec = {
        value.name: stored(value),
        label.name: tf.io.FixedLenFeature(
            (), _STORED[label.dtype], _LABELS[label.dtype]
        ),
    }
    kind = "GZIP" if path.suffix == ".gz" else None
    records = tf.data.TFRecordDataset(str(path), kind)
    found = []
    try:
        for batch in records.batch(_AT_ONCE):
            found.append(parsed(batch, spec, value))
    except (tf.errors.OpError, ValueError):
        _name_damage(path, records, spec, value)
        raise
    if not found:
        raise InputError(
            f"{shown(path)} must hold at least one record; got 0; leave it out"
        )
    x, y = (
        np.concatenate([part[name].numpy() for part in found])
        for name in (value.name, label.name)
    )
    return x, y.astype(bytes) if y.dtype == object else y


def stored(feature):
    """Returns how a feature is stored, for `tf.io.parse_example`.

    Args:
        feature: A `Feature`.
    """
    is_numeric = feature.dtype in ("float32", "int64")
    return tf.io.FixedLenFeature(
        feature.shape if is_numeric else (), _STORED[feature.dtype]
    )


def parsed(batch, spec, value):
    """Parses records.

    Args:
        batch: `(n,)` strings: records of `tf.train.Example`.
        spec: A dict from features to what `stored` returned.
        value: The `Feature` of the input.

    Returns:
        A dict from features to tensors; images as they are encoded.

    Raises:
        ValueError, tf.errors.OpError: If a record lacks them.
    """
    found = tf.io.parse_example(batch, spec)
    if value.dtype == "uint8":
        pixels = tf.io.decode_raw(found[value.name], tf.uint8)
        if pixels.shape[1] != math.prod(value.shape):
            raise ValueError(
                f"{pixels.shape[1]} bytes, where shape {list(value.shape)} has "
                f"{math.prod(value.shape)}"
            )
        found[value.name] = tf.reshape(pixels, (-1, *value.shape))
    return found


def _name_damage(path, records, spec, value):
    """Reads records one by one, to say which one is at fault."""
    number = 0
    try:
        for record in records:
            parsed(record[tf.newaxis], spec, value)
            number += 1
    except (tf.errors.OpError, ValueError) as error:
        raise InputError(
            f"every record of {shown(path)} must be whole and have the "
            f"features that --features_file says; got record {number}: "
            f"{reason_of(error)}; write it again, or correct the features"
        ) from error
