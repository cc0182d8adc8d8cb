import io

import numpy as np
import tensorflow as tf
from PIL import Image

from tf_pseudolabel.lab.data import folders
from tf_pseudolabel.lab.data.inputs import read
from tf_pseudolabel.lab.data.kinds import Images


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
