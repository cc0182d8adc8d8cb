"""Any TFDS image classification set, as arrays."""

import numpy as np
import tensorflow as tf
from absl import logging

from tf_pseudolabel.lab.data.examples import Data, Examples
from tf_pseudolabel.lab.data.kinds import Images
from tf_pseudolabel.lab.data.resize import resize
from tf_pseudolabel.lab.errors import InputError

_BATCH = 1000
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
) -> Data:
    """Loads a TFDS image classification set, preparing it where need be.

    Args:
        dataset: TFDS name such as "mnist", with optional config and version.
        data_dir: Where prepared sets live; None: the default of TFDS
            (`TFDS_DATA_DIR`, else `~/tensorflow_datasets`).
        image_size: Height and width to resize to; required where the images
            of the set vary in size.

    Returns:
        Images `(n, height, width, channels)` uint8 in the stored order, and
        `tfds_id` as ids. `test` is None where the set has no "test" split.

    Raises:
        InputError: TFDS is not installed, the name is unknown, the set is not
            for image classification, it cannot be prepared here, or its files
            are damaged.
    """
    builder = _builder(dataset, data_dir)
    keys = _supervised_keys(builder)
    _check_sizes(builder, keys[0], image_size)
    _prepare(builder)
    if "train" not in builder.info.splits:
        raise InputError(
            f'dataset "{dataset}" must have a "train" split; got '
            f"{sorted(builder.info.splits)}; choose another dataset"
        )
    test = None
    if "test" in builder.info.splits:
        test = _read(builder, "test", keys, image_size)
    return Data(
        train=_read(builder, "train", keys, image_size),
        test=test,
        unlabeled=None,
        class_names=tuple(builder.info.features[keys[1]].names),
        kind=Images(max_value=255.0),
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


def _supervised_keys(builder) -> tuple[str, str]:
    """Returns the feature names of the image and of its class."""
    tfds = _import_tfds()
    keys = builder.info.supervised_keys
    features = builder.info.features
    if (
        keys is None
        or len(keys) != 2
        or not all(isinstance(key, str) for key in keys)
        or not isinstance(features[keys[0]], tfds.features.Image)
        or not isinstance(features[keys[1]], tfds.features.ClassLabel)
        or features[keys[0]].dtype != np.uint8
    ):
        raise InputError(
            f'dataset "{builder.name}" must be supervised by one uint8 image '
            f"and one class; got supervised_keys {keys}; choose an image "
            "classification set"
        )
    return keys


def _check_sizes(builder, image_key: str, image_size: tuple[int, int] | None):
    shape = builder.info.features[image_key].shape
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
) -> Examples:
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
    return Examples(images, labels, ids.astype(bytes).astype(str))


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "no message")
