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


def test_crop_keeps_proportions_and_cuts_evenly():
    tall = np.zeros((8, 4, 1), np.uint8)
    tall[2:6] = 100
    assert (resize(tall, (4, 4), "crop").numpy() == 100).all()
    wide = np.repeat(np.uint8([[[7], [8], [9], [9]]]), 2, axis=0)
    found = resize(wide, (2, 2), "crop")
    assert found[..., 0].numpy().tolist() == [[8, 9]] * 2


def test_pad_keeps_proportions_and_adds_black_evenly():
    wide = np.full((2, 6, 3), 50, np.uint8)
    found = resize(wide, (3, 3), "pad").numpy()
    assert (found[1] == 50).all()
    assert (found[[0, 2]] == 0).all()


@pytest.mark.parametrize("mode", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("old", [(1, 1), (1, 9), (7, 3), (30, 1), (5, 4)])
@pytest.mark.parametrize("new", [(4, 5), (1, 1), (8, 2)])
def test_every_size_becomes_every_other(mode, old, new):
    image = np.full((*old, 1), 9, np.uint8)
    found = resize(image, new, mode)
    assert found.shape == (*new, 1)
    assert (found.numpy() == 9).any()
    if mode != "pad":
        assert (found.numpy() == 9).all()


@pytest.mark.parametrize("mode", ["stretch", "crop", "pad"])
def test_the_size_an_image_has_changes_nothing(mode):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    np.testing.assert_array_equal(resize(image, (5, 7), mode), image)
