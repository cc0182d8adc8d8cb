import numpy as np
import pytest

from tf_pseudolabel.lab.data.resize import resize


def test_halving_takes_the_mean_of_a_smooth_image():
    # Constant blocks of 4x4: away from their borders nothing changes.
    image = np.kron([[0, 100], [200, 250]], np.ones((16, 16)))[..., None]
    small = resize(image.astype("uint8"), (8, 8)).numpy()

    assert small.dtype == np.uint8
    assert small.shape == (8, 8, 1)
    assert small[[0, 0, -1, -1], [0, -1, 0, -1], 0].tolist() == [
        0,
        100,
        200,
        250,
    ]


def test_pixels_are_rounded_and_kept_in_range():
    # Linear interpolation between 0 and 255 gives quarters: 63.75 and 191.25.
    image = np.array([[0, 255]], "uint8")[..., None]

    assert resize(image, (1, 4)).numpy()[0, :, 0].tolist() == [0, 64, 191, 255]


@pytest.mark.parametrize("shape", [(6, 6, 3), (2, 6, 6, 1)])
def test_one_image_or_a_batch(shape):
    image = np.full(shape, 7, "uint8")
    resized = resize(image, (3, 4)).numpy()

    assert resized.shape == (*shape[:-3], 3, 4, shape[-1])
    assert (resized == 7).all()
