import os
import pathlib
import shutil
import sys

import numpy as np
import pytest
import requests
import tensorflow as tf
import tensorflow_datasets as tfds

from tf_pseudolabel.lab.data import sources, splits, tfds_sets
from tf_pseudolabel.lab.data.numbers import Vectors
from tf_pseudolabel.lab.errors import InputError

VERSION = "mnist/3.0.1"
TRAIN = "mnist-train.tfrecord-00000-of-00001"
TEST = "mnist-test.tfrecord-00000-of-00001"


class Pictures(tfds.core.GeneratorBasedBuilder):
    """A tiny set whose images, features and splits a subclass changes."""

    VERSION = tfds.core.Version("1.0.0")
    SKIP_REGISTERING = True
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(names=["no", "yes"]),
            "note": tfds.features.Text(),
        }
    )
    supervised_keys = ("image", "label")
    splits = ("train",)

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=self.features,
            supervised_keys=self.supervised_keys,
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples() for split in self.splits}

    def _generate_examples(self):
        for index in range(4):
            image = np.full((2 + index, 3, 3), 10 * index, np.uint8)
            yield index, {"image": image, "label": index % 2, "note": "n"}


class WithoutKeys(Pictures):
    supervised_keys = None


class WithoutTrain(Pictures):
    splits = ("test",)


@pytest.fixture
def use(monkeypatch, tmp_path):
    """Makes a builder class the one that TFDS finds, under any name."""

    def patch(builder_class):
        monkeypatch.setattr(
            tfds,
            "builder",
            lambda name, data_dir: builder_class(data_dir=data_dir),
        )
        return str(tmp_path)

    return patch


@pytest.fixture(scope="module")
def prepared():
    folder = pathlib.Path(os.environ.get("TFDS_DATA_DIR", ""), VERSION)
    if not (folder / "dataset_info.json").exists():
        pytest.skip("TFDS_DATA_DIR does not hold a prepared mnist 3.0.1")
    return folder


@pytest.fixture(scope="module")
def mnist(prepared):
    return tfds_sets.load("mnist", data_dir=str(prepared.parent.parent))


@pytest.fixture
def damaged(prepared, tmp_path):
    """Builds a copy of mnist whose two files are cut to 100 kB."""
    folder = tmp_path / VERSION
    folder.mkdir(parents=True)
    for path in prepared.glob("*.json"):
        shutil.copyfile(path, folder / path.name)
    for name in (TRAIN, TEST):
        with (prepared / name).open("rb") as file:
            (folder / name).write_bytes(file.read(100_000))
    return folder


def test_mnist_is_complete(mnist):
    assert mnist.train.read().shape == (60000, 28, 28, 1)
    assert mnist.test.read().shape == (10000, 28, 28, 1)
    assert mnist.train.read().dtype == np.uint8
    assert mnist.train.labels.dtype.kind == "i"
    assert mnist.class_names == tuple("0123456789")
    assert mnist.kind.max_value == mnist.train.read().max() == 255
    assert mnist.unlabeled is None
    # The published class counts of the MNIST test set.
    assert np.bincount(mnist.test.labels).tolist() == [
        *(980, 1135, 1032, 1010, 982),
        *(892, 958, 1028, 974, 1009),
    ]


def test_mnist_ids_are_in_stored_order(mnist):
    expected = [f"{TRAIN}__{i}" for i in range(60000)]
    assert mnist.train.ids.tolist() == expected
    assert mnist.test.ids[0] == f"{TEST}__0"


def test_mnist_rows_are_the_stored_records(mnist, prepared):
    records = tf.data.TFRecordDataset(str(prepared / TEST)).take(3)
    for row, record in enumerate(records.as_numpy_iterator()):
        feature = tf.train.Example.FromString(record).features.feature
        (image,) = feature["image"].bytes_list.value
        (label,) = feature["label"].int64_list.value
        np.testing.assert_array_equal(
            mnist.test.read()[row], tf.io.decode_png(image)
        )
        assert mnist.test.labels[row] == label


def assert_damaged(folder, match):
    with pytest.raises(InputError, match=match) as error:
        tfds_sets.load("mnist", data_dir=str(folder.parent.parent))
    message = str(error.value)
    assert str(folder) in message
    assert "\n" not in message


def test_a_truncated_file_is_one_clear_error(damaged):
    assert_damaged(damaged, "must hold 10000 intact examples.*DataLossError")


def test_a_file_that_ends_early_is_one_clear_error(damaged):
    records = tf.data.TFRecordDataset(str(damaged / TEST)).take(5)
    records = list(records.as_numpy_iterator())
    with tf.io.TFRecordWriter(str(damaged / TEST)) as writer:
        for record in records:
            writer.write(record)
    assert_damaged(damaged, '"test" files .* hold 10000')


def test_a_corrupted_byte_is_one_clear_error(damaged, prepared):
    with (prepared / TEST).open("rb") as file:
        content = bytearray(file.read(100_000))
    content[200] ^= 255
    (damaged / TEST).write_bytes(content)
    assert_damaged(damaged, "DataLossError")


def test_a_record_that_is_no_example_is_one_clear_error(damaged):
    with tf.io.TFRecordWriter(str(damaged / TEST)) as writer:
        writer.write(b"\xff\xa8 no example")
    assert_damaged(damaged, '"test" files')


def test_a_missing_file_is_one_clear_error(damaged):
    (damaged / TEST).unlink()
    assert_damaged(damaged, "NotFoundError")


@pytest.mark.parametrize(
    "name", ["no_such_set", "not a name", "mnist:9.9.9", "mnist/none", "hf:a/b"]
)
def test_an_unknown_name_is_one_clear_error(name, tmp_path):
    with pytest.raises(InputError, match=f'got "{name}"') as error:
        tfds_sets.load(name, data_dir=str(tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["speech_commands", "coco"])
def test_sets_of_another_kind_are_refused_before_a_download(name, tmp_path):
    with pytest.raises(InputError, match=f'"{name}" must be supervised'):
        tfds_sets.load(name, data_dir=str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_without_network_the_folder_and_remedy_are_named(monkeypatch, tmp_path):
    def refuse(*args, **kwargs):
        raise requests.exceptions.ConnectionError("no network\nsecond line")

    monkeypatch.setattr(requests.Session, "get", refuse)
    with pytest.raises(InputError, match="tfds build fashion_mnist") as error:
        tfds_sets.load("fashion_mnist", data_dir=str(tmp_path))
    message = str(error.value)
    assert str(tmp_path / "fashion_mnist") in message
    assert "ConnectionError: no network" in message
    assert "\n" not in message
    assert not list(tmp_path.glob("fashion_mnist/*"))


@pytest.mark.parametrize(
    "raised",
    [
        tfds.download.DownloadError("404"),
        tfds.download.download_manager.NonMatchingChecksumError("sha256"),
        PermissionError("read-only"),
        AssertionError("Manual directory does not exist"),
    ],
)
def test_other_failures_to_prepare_are_clear(raised, monkeypatch, tmp_path):
    def fail(self):
        raise raised

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(InputError, match=f"{type(raised).__name__}: {raised}"):
        tfds_sets.load("cifar10", data_dir=str(tmp_path))


def test_pictures_of_varying_size_need_a_size(use):
    with pytest.raises(InputError, match=r"\(None, None, 3\).*--image_size"):
        tfds_sets.load("pictures", use(Pictures))


def test_pictures_of_varying_size_are_resized(use):
    data = tfds_sets.load("pictures", use(Pictures), image_size=(4, 5))
    assert data.train.read().shape == (4, 4, 5, 3)
    assert data.train.read().dtype == np.uint8
    assert data.test is None
    assert data.class_names == ("no", "yes")
    # Each image is of one colour, ten times its index; odd ones are "yes".
    colours = data.train.read()[:, 0, 0, 0]
    assert sorted(colours.tolist()) == [0, 10, 20, 30]
    np.testing.assert_array_equal(
        data.train.read(),
        np.broadcast_to(colours[:, None, None, None], (4, 4, 5, 3)),
    )
    np.testing.assert_array_equal(data.train.labels, colours // 10 % 2)


def test_an_input_and_a_class_are_needed(use):
    with pytest.raises(InputError, match="got supervised_keys None"):
        tfds_sets.load("pictures", use(WithoutKeys))


class Measured(Pictures):
    features = tfds.features.FeaturesDict(
        {
            "features": tfds.features.Tensor(shape=(3,), dtype=np.float32),
            "label": tfds.features.ClassLabel(names=["no", "yes"]),
        }
    )
    supervised_keys = ("features", "label")
    splits = ("train", "test")

    def _generate_examples(self):
        for row in range(4):
            x = np.full(3, row, np.float32)
            yield row, {"features": x, "label": row % 2}


class OfAnyLength(Measured):
    features = tfds.features.FeaturesDict(
        {
            "features": tfds.features.Tensor(shape=(None,), dtype=np.float32),
            "label": tfds.features.ClassLabel(names=["no", "yes"]),
        }
    )


def test_numbers_with_a_class(use):
    folder = use(Measured)
    data = tfds_sets.load("measured", folder)
    assert isinstance(data.kind, Vectors)
    for part in (data.train, data.test):
        x = part.read()
        assert sorted(x[:, 0].tolist()) == [0, 1, 2, 3]
        np.testing.assert_array_equal(x[:, 0] % 2, part.labels)
    with pytest.raises(InputError, match=r"float32 of shape \(3,\); leave"):
        tfds_sets.load("measured", folder, image_size=(4, 4))


class Reviews(Pictures):
    """Texts, of which a split has no classes."""

    features = tfds.features.FeaturesDict(
        {
            "text": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=["bad", "good"]),
        }
    )
    supervised_keys = ("text", "label")

    def _split_generators(self, download):
        return {
            name: self._generate_examples(name)
            for name in ("train", "test", "unsupervised")
        }

    def _generate_examples(self, name):
        for row in range(4):
            yield row, {"text": f"{name} {row}, é", "label": row % 2}


def test_texts_with_a_class_and_without(use):
    folder = use(Reviews)
    data = tfds_sets.load("reviews", folder, text_length=2)
    assert data.train.read()[0].decode().endswith(", é")
    assert {text.split()[0] for text in data.unlabeled.read()} == {
        b"unsupervised"
    }
    # What such a split says of classes is not so.
    assert data.unlabeled.labels.tolist() == [-1] * 4
    split = splits.draw(data, num_labeled=2, num_validation=2, seed=0)
    assert data.kind.encoding(split).spec.shape == (2,)
    with pytest.raises(InputError, match="text_length is for texts; got data"):
        tfds_sets.load("measured", use(Measured), text_length=2)


def test_numbers_must_have_one_shape(use):
    with pytest.raises(InputError, match="numbers of one shape"):
        tfds_sets.load("measured", use(OfAnyLength))


def test_a_prepared_set_by_its_directory(use):
    by_name = tfds_sets.load("measured", use(Measured))
    (folder,) = pathlib.Path(use(Measured)).glob("measured/*")
    data = sources.load(str(folder))
    assert data.train.ids.tolist() == by_name.train.ids.tolist()
    np.testing.assert_array_equal(data.train.read(), by_name.train.read())
    assert data.class_names == ("no", "yes")
    with pytest.raises(InputError, match="give one of them"):
        tfds_sets.load(str(folder), str(folder.parent))
    for wrong in (folder.parent, folder / "nothing"):
        with pytest.raises(InputError, match=f"got {wrong} ") as error:
            tfds_sets.load(str(wrong))
        assert "\n" not in str(error.value)
    (folder / "dataset_info.json").write_text("{")
    with pytest.raises(InputError, match="directory of a prepared"):
        tfds_sets.load(str(folder))


def test_a_train_split_is_required(use):
    with pytest.raises(InputError, match=r'"train" split; got \[\'test'):
        tfds_sets.load("pictures", use(WithoutTrain), image_size=(4, 5))


def test_without_tfds_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(InputError, match=r'"tf_pseudolabel\[programs\]"'):
        tfds_sets.load("mnist")
