import base64
import io

import numpy as np
import pytest
from PIL import Image

from tf_pseudolabel.lab.analysis import thumbnails


def _decode(uri):
    start, encoded = uri.split(",")
    assert start == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(encoded)))


def test_small_gray_images_are_exact():
    images = np.array([[[0, 4], [8, 16]]], np.uint8)[..., np.newaxis]
    (uri,) = thumbnails.data_uris(images[..., 0] / 16)
    # 255 · 4 / 16 = 63.75, 255 · 8 / 16 = 127.5
    np.testing.assert_array_equal(
        np.asarray(_decode(uri).convert("L")), [[0, 64], [128, 255]]
    )


def test_floats_and_colors():
    images = np.zeros((2, 8, 8, 3), np.float32)
    images[1, ..., 0] = 1.0
    black, red = map(_decode, thumbnails.data_uris(images))
    assert np.asarray(black.convert("RGB")).max() < 10
    mean = np.asarray(red.convert("RGB")).mean(axis=(0, 1))
    np.testing.assert_allclose(mean, [255, 0, 0], atol=10)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((56, 56), (28, 28)), ((28, 112, 3), (28, 7)), ((8, 8), (8, 8))],
)
def test_big_images_shrink_and_keep_their_proportions(shape, expected):
    images = np.zeros((1, *shape), np.uint8)
    (uri,) = thumbnails.data_uris(images / 255)
    assert _decode(uri).size == expected


def test_noise_of_2000_mnist_images_fits_a_page():
    # Noise is what packs worst: no data set needs more.
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28, 1))
    uris = thumbnails.data_uris(images[..., 0] / 255)
    assert sum(map(len, uris)) / 20 * 2000 < 3_000_000
