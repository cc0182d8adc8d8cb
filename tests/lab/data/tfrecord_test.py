import io
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_pseudolabel.lab.data import sources
from tf_pseudolabel.lab.data.kinds import Images
from tf_pseudolabel.lab.data.numbers import Vectors
from tf_pseudolabel.lab.errors import InputError

NUMBERS = {
    "input": {"name": "x", "dtype": "float32", "shape": [3]},
    "label": {"name": "y", "dtype": "int64"},
}
IMAGES = {
    "input": {"name": "x", "dtype": "image"},
    "label": {"name": "y", "dtype": "string"},
}
X = np.arange(24, dtype=np.float32).reshape(8, 3)


def feature(value):
    if isinstance(value, (bytes, str)):
        value = value.encode() if isinstance(value, str) else value
        kind = {"bytes_list": tf.train.BytesList(value=[value])}
    elif np.asarray(value).dtype.kind == "f":
        kind = {"float_list": tf.train.FloatList(value=np.ravel(value))}
    else:
        kind = {"int64_list": tf.train.Int64List(value=np.ravel(value))}
    return tf.train.Feature(**kind)


def write(path, x, y):
    """A record per row; one whose label is None has none."""
    kind = "GZIP" if path.suffix == ".gz" else None
    with tf.io.TFRecordWriter(str(path), kind) as writer:
        for value, label in zip(x, y, strict=True):
            row = {"x": feature(value), "other": feature("ignored")}
            if label is not None:
                row["y"] = feature(label)
            features = tf.train.Features(feature=row)
            example = tf.train.Example(features=features)
            writer.write(example.SerializeToString())


@pytest.fixture
def load(tmp_path):
    def call(features, data_file="train*", **arguments):
        (tmp_path / "features.json").write_text(json.dumps(features))
        files = {"data_file": data_file, **arguments}
        for name in files:
            if name.endswith("_file"):
                parts = files[name].split(",")
                files[name] = ",".join(str(tmp_path / x) for x in parts)
        path = str(tmp_path / "features.json")
        return sources.load("tfrecord", features_file=path, **files)

    return call


def png(value, shape=(4, 5, 1)):
    image = np.full(shape, value, np.uint8)
    image[0, 0] = 255 - value
    return image, tf.io.encode_png(image).numpy()


def test_numbers_of_several_files_and_sets(load, tmp_path):
    write(tmp_path / "train-1.gz", X[:3], [5, 3, 5])
    write(tmp_path / "train-2", X[3:6], [3, None, -1])
    write(tmp_path / "more", X[6:7], [3])
    write(tmp_path / "test", X[7:], [5])
    data = load(NUMBERS, test_file="test", unlabeled_file="more")
    assert data.class_names == ("3", "5")
    assert isinstance(data.kind, Vectors)
    np.testing.assert_array_equal(data.train.read(), X[:4])
    assert data.train.labels.tolist() == [1, 0, 1, 0]
    assert data.train.ids.tolist() == [
        *("train-1.gz:0", "train-1.gz:1", "train-1.gz:2"),
        "train-2:0",
    ]
    np.testing.assert_array_equal(data.unlabeled.read(), X[4:7])
    # What is known of them is measured with alone.
    assert data.unlabeled.labels.tolist() == [-1, -1, 0]
    assert data.test.ids.tolist() == ["test:0"]
    again = load(NUMBERS, "train-1.gz,train-2")
    assert again.train.ids.tolist() == data.train.ids.tolist()


def test_more_records_than_are_read_at_once(load, tmp_path):
    x = np.arange(2500 * 3, dtype=np.float32).reshape(2500, 3)
    write(tmp_path / "train", x, np.arange(2500) % 2)
    data = load(NUMBERS)
    np.testing.assert_array_equal(data.train.read(), x)
    assert data.train.ids[-1] == "train:2499"


@pytest.mark.parametrize("shape", [[4, 5], [4, 5, 1]])
def test_bytes_as_they_are(shape, load, tmp_path):
    x = np.arange(80, dtype=np.uint8).reshape(4, 4, 5, 1)
    write(tmp_path / "train", [row.tobytes() for row in x], [0, 1, 0, 1])
    features = {**NUMBERS, "input": {**IMAGES["input"]}}
    features["input"].update(dtype="uint8", shape=shape)
    data = load(features)
    np.testing.assert_array_equal(data.train.read(), x)
    assert data.kind == Images(255.0)


def test_whole_numbers_stay(load, tmp_path):
    write(tmp_path / "train", X.astype(np.int64), np.arange(8) % 2)
    features = json.loads(json.dumps(NUMBERS).replace("float32", "int64"))
    data = load(features)
    assert data.train.read().dtype == np.int64
    assert "whole numbers" in data.notes[0]


def test_encoded_images_are_decoded_when_they_are_read(load, tmp_path):
    images, contents = zip(*(png(i) for i in range(4)), strict=True)
    jpeg = tf.io.encode_jpeg(images[0]).numpy()
    write(tmp_path / "train", [*contents, jpeg], ["b", "a", "b", "a", ""])
    data = load(IMAGES)
    assert data.class_names == ("a", "b")
    assert data.train.labels.tolist() == [1, 0, 1, 0]
    assert data.train.spec == tf.TensorSpec((4, 5, 1), tf.uint8)
    np.testing.assert_array_equal(data.train.read(), images)
    stream = tf.data.Dataset.from_tensors(data.train.rows[[2, 0]])
    (batch,) = stream.map(data.train.inputs.batch)
    np.testing.assert_array_equal(batch, np.array(images)[[2, 0]])
    assert len(data.unlabeled) == 1


def test_one_image_in_colour_makes_three_channels(load, tmp_path):
    grey, colour = png(3), png(9, (4, 5, 3))
    write(tmp_path / "train", [grey[1], colour[1], png(5)[1]], ["a", "b", "b"])
    data = load(IMAGES)
    assert data.train.spec.shape == (4, 5, 3)
    np.testing.assert_array_equal(
        data.train.read()[:2], [np.repeat(grey[0], 3, -1), colour[0]]
    )


def test_images_of_several_sizes_need_one(load, tmp_path):
    contents = [png(3)[1], png(5, (8, 10, 1))[1], png(7)[1]]
    write(tmp_path / "train", contents, ["a", "b", "b"])
    with pytest.raises(InputError, match=r"\(4, 5\) and \(8, 10\) in train:1"):
        load(IMAGES)
    data = load(IMAGES, image_size=(8, 10))
    assert data.train.read().shape == (3, 8, 10, 1)
    np.testing.assert_array_equal(data.train.read()[1], png(5, (8, 10, 1))[0])
    sized = {**IMAGES, "input": {**IMAGES["input"], "shape": [8, 10, 1]}}
    with pytest.raises(InputError, match=r"\(8, 10\) and \(4, 5\) in train:0"):
        load(sized)


def test_the_same_pixels_in_two_sets_are_left_in_one(load, tmp_path):
    image, content = png(3)
    other = tf.io.encode_png(image, compression=0).numpy()
    assert other != content
    rest = [png(i)[1] for i in (5, 7, 9)]
    write(tmp_path / "train", [content, *rest], ["a", "b", "a", "b"])
    write(tmp_path / "test", [other], ["a"])
    data = load(IMAGES, test_file="test")
    assert data.train.ids.tolist() == ["train:1", "train:2", "train:3"]
    assert "Left out of the labeled images, as copies" in data.notes[0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: f.pop("label"), "'label'"),
        (lambda f: f.update(weight={}), "other values"),
        (lambda f: f["input"].pop("shape"), "other values"),
        (lambda f: f["input"].update(shape=[0]), "other values"),
        (lambda f: f["input"].update(shape=3), "not iterable"),
        (lambda f: f["input"].update(dtype="float64"), "other values"),
        (lambda f: f["input"].update(dtype="string"), "other values"),
        (lambda f: f["input"].update(dtype="image", shape=[3]), "other values"),
        (lambda f: f["input"].update(kind="image"), "kind"),
        (lambda f: f["input"].update(name=""), "other values"),
        (lambda f: f["label"].update(dtype="float32"), "other values"),
        (lambda f: f["label"].update(dtype=["int64"]), "unhashable"),
        (lambda f: f.update(label="y"), "mapping"),
    ],
)
def test_features_that_cannot_be_meant_are_one_line(
    change, problem, load, tmp_path
):
    write(tmp_path / "train", X, np.arange(8) % 2)
    features = json.loads(json.dumps(NUMBERS))
    change(features)
    with pytest.raises(
        InputError, match=f'"input" of .*{problem}.*; write'
    ) as e:
        load(features)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("features", "problem"),
    [
        ({"name": "z", "dtype": "float32", "shape": [3]}, "got record 0: .*z"),
        ({"name": "x", "dtype": "float32", "shape": [4]}, "got record 0: .*x"),
        ({"name": "x", "dtype": "int64", "shape": [3]}, "got record 0: .*type"),
    ],
)
def test_records_of_other_features_are_named(features, problem, load, tmp_path):
    write(tmp_path / "train", X, np.arange(8) % 2)
    with pytest.raises(InputError, match=problem) as error:
        load({**NUMBERS, "input": features})
    assert "\n" not in str(error.value)


def test_bytes_of_another_length_are_named(load, tmp_path):
    write(tmp_path / "train", [b"123456"] * 3 + [b"1"], [0, 1, 0, 1])
    value = {"name": "x", "dtype": "uint8", "shape": [2, 3]}
    with pytest.raises(InputError, match="got record 3: 1 bytes, where shape"):
        load({**NUMBERS, "input": value})


def _cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def _flip(path):
    content = bytearray(path.read_bytes())
    content[-10] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [_cut, _flip])
def test_damaged_records_are_named_by_file_and_number(damage, load, tmp_path):
    write(tmp_path / "train-1", X, np.arange(8) % 2)
    write(tmp_path / "train-2", X + 50, np.arange(8) % 2)
    damage(tmp_path / "train-2")
    with pytest.raises(InputError, match=r"train-2 .* got record 7: ") as error:
        load(NUMBERS)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"no records at all, but text"])
def test_files_without_records_are_named(content, load, tmp_path):
    (tmp_path / "train").write_bytes(content)
    with pytest.raises(InputError, match=r"train must hold|train .* record 0"):
        load(NUMBERS)


def test_images_that_are_damaged_are_named(load, tmp_path):
    contents = [png(i)[1] for i in range(4)]
    contents[2] = contents[2][:-20]
    write(tmp_path / "train", contents, ["a", "b", "a", "b"])
    with pytest.raises(InputError, match="got train:2: ") as error:
        load(IMAGES)
    assert "\n" not in str(error.value)


def test_numbers_of_a_palette_are_not_taken_for_pixels(load, tmp_path):
    contents = [png(i)[1] for i in range(4)]
    file = io.BytesIO()
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(
        file, "BMP"
    )
    contents[2] = file.getvalue()
    write(tmp_path / "train", contents, ["a", "b", "a", "b"])
    with pytest.raises(InputError, match=r"got train:2: .*24 bits") as error:
        load(IMAGES)
    assert "\n" not in str(error.value)


def test_files_are_there_and_named_once(load, tmp_path):
    write(tmp_path / "train", X, np.arange(8) % 2)
    with pytest.raises(InputError, match=r"--test_file must .*/test\*"):
        load(NUMBERS, test_file="test*")
    with pytest.raises(InputError, match="for labeled and test records"):
        load(NUMBERS, test_file="train")
    with pytest.raises(InputError, match="named once"):
        load(NUMBERS, "train,tr*")
    with pytest.raises(InputError, match="--image_size is for images"):
        load(NUMBERS, image_size=(3, 3))
