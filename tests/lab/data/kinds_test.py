import io
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_pseudolabel.lab.data import folders
from tf_pseudolabel.lab.data.examples import Examples
from tf_pseudolabel.lab.data.inputs import Encoded, Held, Kept, read
from tf_pseudolabel.lab.data.kinds import Encoding, Images, Kind
from tf_pseudolabel.lab.data.splits import Split
from tf_pseudolabel.lab.errors import InputError


def _split(arrays):
    return Split(
        **{
            name: Examples(
                arrays + number,
                np.zeros(len(arrays), np.int64),
                np.array([f"{name}/{row}" for row in range(len(arrays))]),
            )
            for number, name in enumerate(
                ("labeled", "unlabeled", "validation", "test")
            )
        }
    )


def test_without_a_model_rows_stay_as_they_are():
    split = _split(np.ones((2, 3), np.float32))
    encoding = Kind().encoding(split)
    assert encoding.spec == tf.TensorSpec((3,), tf.float32)
    assert encoding.of(split) is split


def test_every_set_is_encoded_when_it_is_read():
    split = _split(np.ones((2, 3), np.float32))
    raw = keras.Input((3,))
    model = keras.Model(raw, keras.layers.Rescaling(10.0)(raw))

    encoded = Encoding(tf.TensorSpec((3,)), model).of(split)

    for number, part in enumerate(vars(encoded).values()):
        assert (part.read() == 10.0 * (1 + number)).all()
    assert encoded.test.ids.tolist() == split.test.ids.tolist()


def test_images_tell_the_network_what_white_is():
    images = np.full((2, 4, 4, 1), 8, np.uint8)
    encoding = Images(max_value=16).encoding(_split(images))
    assert encoding.options["max_value"] == 16
    np.testing.assert_array_equal(
        Images(max_value=16).pictures(images), np.full((2, 4, 4), 0.5)
    )


@pytest.mark.parametrize(
    ("spec", "got"),
    [
        (tf.TensorSpec((4, 4), tf.uint8), "uint8 of shape (n, 4, 4)"),
        (tf.TensorSpec((4, 4, 1), tf.int32), "int32 of shape (n, 4, 4, 1)"),
    ],
)
def test_what_is_no_image_is_refused(spec, got):
    with pytest.raises(InputError, match=re.escape(f"got {got}")):
        Images().check(spec)


def test_other_rows_are_neither_pictures_nor_text_nor_files():
    kind = Kind()
    assert kind.pictures(np.zeros((1, 3))) is None
    assert kind.texts(np.zeros((1, 3))) is None
    assert kind.decoder() is None


def encode(pixels, kind, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def test_images_that_are_no_files_have_no_decoder():
    assert Images().decoder() is None


def test_files_are_decoded_as_training_saw_them(tmp_path):
    rng = np.random.default_rng(0)
    paths = {}
    for number, kind in enumerate(("PNG", "JPEG", "BMP", "GIF", "PNG")):
        size = (6 + number, 8, 3) if number < 4 else (6, 8)
        path = tmp_path / "ab"[number % 2] / f"{number}.{kind.lower()}"
        path.parent.mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, size, np.uint8)
        path.write_bytes(encode(pixels, kind))
        paths[f"labeled/{path.relative_to(tmp_path)}"] = path
    for mode in ("stretch", "crop", "pad"):
        data = folders.load(tmp_path, image_size=(6, 6), resize=mode)
        contents = [paths[x].read_bytes() for x in data.train.ids]
        # In a graph, as it is exported.
        decoder = tf.function(
            data.kind.decoder(),
            input_signature=[tf.TensorSpec([None], tf.string)],
        )
        found = decoder(tf.constant(contents))
        expected = read(data.train.inputs, data.train.rows)
        assert found.shape == (5, 6, 6, 3)
        np.testing.assert_array_equal(found, expected)


def test_webp_is_decoded():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    content = encode(pixels, "WEBP", lossless=True)
    (found,) = Images(shape=(6, 8, 3)).decoder()(tf.constant([content]))
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("kind", ["BMP", "GIF", "WEBP"])
def test_colors_are_turned_grey(kind):
    pixels = np.full((6, 8, 3), [250, 100, 20], np.uint8)
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encode(pixels, kind, **options)
    (found,) = Images(shape=(6, 8, 1)).decoder()(tf.constant([content]))
    np.testing.assert_allclose(found, 136, atol=1)  # .299, .587 and .114.


@pytest.mark.parametrize("channels", [1, 3])
def test_a_palette_is_not_taken_for_pixels(channels):
    content = encode(np.arange(48, dtype=np.uint8).reshape(6, 8), "BMP")
    with pytest.raises(tf.errors.InvalidArgumentError):
        Images(shape=(6, 8, channels)).decoder()(tf.constant([content]))


def test_encoded_rows_are_kept_as_they_were():
    x = keras.Input((2,))
    model = keras.Model(x, keras.ops.cast(2 * x, "int64"))
    inputs = Encoded(Held(np.arange(12, dtype=np.float32).reshape(6, 2)), model)
    kept = Kept(inputs, np.array([5, 0, 3]), at_once=2)
    assert kept.spec == inputs.spec and len(kept) == 3
    assert kept.batch(np.array([0, 2])).numpy().tolist() == [[20, 22], [12, 14]]
    assert kept.batch(np.array([1])).dtype == inputs.spec.dtype
