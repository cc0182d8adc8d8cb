"""Any TFDS set of images, numbers or texts that have a class, as arrays."""

import numpy as np
import tensorflow as tf
from absl import logging

from tf_pseudolabel.lab.data import numbers, sources
from tf_pseudolabel.lab.data.examples import Data, Examples
from tf_pseudolabel.lab.data.files import shown
from tf_pseudolabel.lab.data.resize import resize
from tf_pseudolabel.lab.data.text import Texts
from tf_pseudolabel.lab.errors import InputError, reason_of

_BATCH = 1000
# What a split of TFDS is read as. Of those without classes a set has one.
_SPLITS = {
    "test": "test",
    "train": "train",
    "unsupervised": "unlabeled",
    "unlabelled": "unlabeled",
}
_DAMAGE = (
    tf.errors.DataLossError,  # a record cut short, or a wrong checksum
    tf.errors.FailedPreconditionError,  # fewer examples than TFDS recorded
    tf.errors.NotFoundError,
    tf.errors.InvalidArgumentError,  # not an example, or not an image
    UnicodeDecodeError,  # the same, when the message quotes the bytes
)


def load(
    dataset: str,
    data_dir: str | None = None,
    image_size: tuple[int, int] | None = None,
    vocabulary_size: int | None = None,
    text_length: int | None = None,
) -> Data:
    """Loads a TFDS classification set, preparing it where need be.

    Beside "train" and "test", the split of rows without classes that some sets
    have ("unsupervised", "unlabelled") is read as unlabeled.

    Args:
        dataset: TFDS name such as "mnist", with optional config and version; or
            the directory of a prepared set.
        data_dir: Where prepared sets live; None: the default of TFDS
            (`TFDS_DATA_DIR`, else `~/tensorflow_datasets`).
        image_size: Height and width to resize to; required where the images
            of the set vary in size.
        vocabulary_size: Of texts, as for `Texts`.
        text_length: Of texts, as for `Texts`.

    Returns:
        Images `(n, height, width, channels)` uint8, strings, or what
        `numbers.told` makes of numbers, in the stored order, and `tfds_id` as
        ids. `test` is None where the set has no "test" split.

    Raises:
        InputError: TFDS is not installed, the name is unknown, the set is not
            one of images, numbers or texts with a class, it cannot be prepared
            here, or its files are damaged.
    """
    builder = _builder(dataset, data_dir)
    keys = _supervised_keys(builder)
    _check_sizes(builder, keys[0], image_size)
    of_texts = {"vocabulary_size": vocabulary_size, "text_length": text_length}
    given = {name: value for name, value in of_texts.items() if value}
    _check_texts(builder, keys[0], given)
    _prepare(builder)
    if "train" not in builder.info.splits:
        raise InputError(
            f'dataset "{dataset}" must have a "train" split; got '
            f"{sorted(builder.info.splits)}; choose another dataset"
        )
    parts = {
        name: _read(builder, split, keys, image_size)
        for split, name in _SPLITS.items()
        if split in builder.info.splits
    }
    inputs, labels, ids = (
        np.concatenate(columns) for columns in zip(*parts.values(), strict=True)
    )
    of = np.repeat([*parts], [len(part[0]) for part in parts.values()])
    # Whatever the set says there: it has no classes.
    labels[of == "unlabeled"] = -1
    if _is_text(builder.info.features[keys[0]]):
        kind, notes = Texts(**given), ()
    else:
        inputs, kind, notes = numbers.told(
            inputs, of != "test", f'dataset "{builder.name}"'
        )
    every = Examples(inputs, labels, ids)
    sets = {name: every.take(np.flatnonzero(of == name)) for name in parts}
    return Data(
        train=sets["train"],
        test=sets.get("test"),
        unlabeled=sets.get("unlabeled"),
        class_names=tuple(builder.info.features[keys[1]].names),
        kind=kind,
        notes=tuple(notes),
    )


def _import_tfds():
    # Imported on use: it takes seconds, and is not a core requirement.
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise InputError(
            "TFDS datasets need tensorflow_datasets, which is not installed "
            f'({error}); run pip install "tf_pseudolabel[programs]"'
        ) from error
    return tfds


def _builder(name: str, data_dir: str | None):
    tfds = _import_tfds()
    if sources.is_path(name):
        return _builder_of(name, data_dir)
    try:
        return tfds.builder(name, data_dir=data_dir or None)
    # ValueError: no such set or config; AssertionError: no such version;
    # ImportError: a set of another hub, whose package is not installed.
    except (ValueError, AssertionError, ImportError) as error:
        raise InputError(
            f'TFDS must know the dataset; got "{name}" '
            f'({_first_line(error)}); choose "digits", "folders" or a name '
            "from https://www.tensorflow.org/datasets/catalog"
        ) from error


def _builder_of(directory: str, data_dir: str | None):
    if data_dir is not None:
        raise InputError(
            "--data_dir is where TFDS looks for names; got it beside the "
            f"directory {shown(directory)}; give one of them"
        )
    try:
        return _import_tfds().builder_from_directory(directory)
    except Exception as error:  # One for every way to be damaged.
        raise InputError(
            f"--dataset must be the directory of a prepared TFDS set, with its "
            f"version, as mnist/3.0.1; got {shown(directory)} "
            f"({type(error).__name__}: {reason_of(error)}); correct the path"
        ) from error


def _supervised_keys(builder) -> tuple[str, str]:
    """Returns the feature names of the input and of its class."""
    tfds = _import_tfds()
    keys = builder.info.supervised_keys
    features = builder.info.features
    if (
        keys is None
        or len(keys) != 2
        or not all(isinstance(key, str) for key in keys)
        or not _is_read(features[keys[0]])
        or not isinstance(features[keys[1]], tfds.features.ClassLabel)
    ):
        raise InputError(
            f'dataset "{builder.name}" must be supervised by one uint8 image, '
            "text, or numbers of one shape, and one class; got supervised_keys "
            f"{keys}; choose another set"
        )
    return keys


def _is_read(feature) -> bool:
    """Returns whether a feature is an image, text, or numbers of one shape."""
    tfds = _import_tfds()
    if _is_text(feature):
        return True
    if isinstance(feature, tfds.features.Image):
        return feature.np_dtype == np.uint8
    # Sounds and classes are tensors, too.
    return (
        type(feature) in (tfds.features.Tensor, tfds.features.Scalar)
        and np.dtype(feature.np_dtype).kind in "buif"
        and None not in feature.shape
    )


def _is_text(feature) -> bool:
    return isinstance(feature, _import_tfds().features.Text)


def _check_texts(builder, key: str, given: dict[str, int]):
    if given and not _is_text(builder.info.features[key]):
        raise InputError(
            f'--{next(iter(given))} is for texts; got dataset "{builder.name}" '
            "without any; leave it out"
        )


def _check_sizes(builder, image_key: str, image_size: tuple[int, int] | None):
    feature = builder.info.features[image_key]
    shape = feature.shape
    is_image = isinstance(feature, _import_tfds().features.Image)
    if image_size is not None and not is_image:
        raise InputError(
            f'--image_size is for images; got dataset "{builder.name}", whose '
            f"inputs are {feature.np_dtype.__name__} of shape {shape}; leave "
            "it out"
        )
    if image_size is None and None in shape[:2]:
        raise InputError(
            f'the images of dataset "{builder.name}" vary in size; got '
            f"shape {shape} and no size; give --image_size"
        )


def _prepare(builder):
    if builder.is_prepared():
        return
    tfds = _import_tfds()
    logging.info("Downloading and preparing %s", builder.data_path)
    try:
        builder.download_and_prepare()
    # OSError: network, disk and permissions; AssertionError: files that have
    # to be downloaded by hand; ImportError: a parser that is not installed.
    except (
        OSError,
        AssertionError,
        ImportError,
        tf.errors.OpError,
        tfds.download.DownloadError,
        tfds.download.download_manager.NonMatchingChecksumError,
        tfds.download.extractor.ExtractError,
    ) as error:
        raise InputError(
            f'dataset "{builder.name}" must be prepared; it is not in '
            f"{builder.data_path} and could not be prepared here "
            f"({type(error).__name__}: {_first_line(error)}); run tfds build "
            f"{builder.name} on a machine with network and copy its folder "
            "into data_dir"
        ) from error


def _read(
    builder,
    split: str,
    keys: tuple[str, str],
    image_size: tuple[int, int] | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the inputs, classes and ids of a split."""
    tfds = _import_tfds()
    image_key, label_key = keys
    dataset = builder.as_dataset(
        split=split,
        shuffle_files=False,
        decoders=tfds.decode.PartialDecoding(dict.fromkeys(keys, True)),
        read_config=tfds.ReadConfig(add_tfds_id=True, try_autocache=False),
    )
    if image_size is not None:
        dataset = dataset.map(
            lambda row: {
                **row,
                image_key: resize(row[image_key], image_size),
            },
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    dataset = dataset.batch(_BATCH, num_parallel_calls=tf.data.AUTOTUNE)
    try:
        batches = list(dataset.as_numpy_iterator())
    except _DAMAGE as error:
        raise InputError(
            f'the "{split}" files of dataset "{builder.name}" must hold '
            f"{builder.info.splits[split].num_examples} intact examples; "
            f"got damaged or missing records in {builder.data_path} "
            f"({type(error).__name__}); delete that folder and prepare the "
            "dataset again"
        ) from error
    images, labels, ids = (
        np.concatenate([batch[key] for batch in batches])
        for key in (image_key, label_key, "tfds_id")
    )
    return images, labels, ids.astype(bytes).astype(str)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "no message")
