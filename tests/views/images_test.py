import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.views import Draws
from tf_pseudolabel.views.images import Affine, Colours, Cutout


class Fixed:
    """Numbers that are given in place of random ones."""

    def __init__(self, *numbers):
        self.numbers = np.array([numbers], np.float32)

    def uniform(self, *shape, low=0.0, high=1.0):
        del low, high
        return tf.constant(self.numbers.reshape(-1, *shape))


def _draws(count=50):
    return Draws([1, 0], 0, 0, count, count)


def _image(channels=1, dtype=np.float32, size=(9, 7)):
    rng = np.random.default_rng(0)
    return rng.integers(1, 255, (1, *size, channels)).astype(dtype)


# Down, right, angle, shear along x and y, zoom, side: in [-1, 1].


def test_shifts_are_whole_pixels():
    x = _image()
    moved = Affine(shift=0.3, fill="constant")(
        x := tf.constant(x), Fixed(0.74, -0.5, 0, 0, 0, 0, 1)
    )

    # 0.3 * 9 * 0.74 = 1.998: two rows; 0.3 * 7 * -0.5 = -1.05: one column.
    expected = np.zeros_like(x)
    expected[:, :7, 1:] = x[:, 2:, :6]
    np.testing.assert_allclose(moved, expected, atol=1e-3)


def test_what_is_beyond_the_edge_is_reflected():
    x = _image()
    moved = Affine(shift=0.3)(tf.constant(x), Fixed(0.74, 0, 0, 0, 0, 0, 1))

    np.testing.assert_allclose(moved[:, 7:], x[:, :6:-1], atol=1e-3)


@pytest.mark.parametrize("fill", ["reflect", "constant"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_shifts_and_flips_are_the_map_that_resampling_takes(fill, jit_compile):
    rng = np.random.default_rng(1)
    x = rng.integers(1, 255, (40, 9, 7, 2)).astype(np.uint8)
    numbers = Fixed()
    numbers.numbers = rng.uniform(-1, 1, (40, 7)).astype(np.float32)
    view = Affine(0.9, flip=True, fill=fill)
    assert view.supports_jit

    seen = tf.function(
        lambda images: view(images, numbers), jit_compile=jit_compile
    )(tf.constant(x))

    shifts = np.round(0.9 * numbers.numbers[:, :2] * [9, 7])
    pads = [(0, 0), (9, 9), (7, 7), (0, 0)]
    # NumPy's word for a reflection that repeats the edge.
    mode = "symmetric" if fill == "reflect" else fill
    padded = np.pad(x, pads, mode=mode)
    for row, (down, right) in enumerate(shifts.astype(int)):
        expected = padded[row, 9 + down : 18 + down, 7 + right : 14 + right]
        if numbers.numbers[row, 6] < 0:
            expected = expected[:, ::-1]
        np.testing.assert_array_equal(seen[row], expected)


def test_flips_and_turns_about_the_centre():
    x = _image(size=(9, 9))
    flipped = Affine(flip=True)(tf.constant(x), Fixed(0, 0, 0, 0, 0, 0, -1))
    turned = Affine(rotate=90)(tf.constant(x), Fixed(0, 0, 1, 0, 0, 0, 1))
    half = Affine(rotate=180)(tf.constant(x), Fixed(0, 0, 1, 0, 0, 0, 1))

    np.testing.assert_allclose(flipped, x[:, :, ::-1], atol=1e-3)
    np.testing.assert_allclose(
        turned[0, :, :, 0], np.rot90(x[0, :, :, 0], 1), atol=1e-2
    )
    np.testing.assert_allclose(half, x[:, ::-1, ::-1], atol=1e-2)


def test_zoom_and_shear():
    x = np.zeros((1, 21, 21, 1), np.float32)
    x[0, 8:13, 8:13] = 1
    larger = Affine(zoom=0.9)(tf.constant(x), Fixed(0, 0, 0, 0, 0, 1, 1))
    sheared = Affine(shear=1.0, fill="constant")(
        tf.constant(x), Fixed(0, 0, 0, 1, 0, 0, 1)
    )

    # Sides are 1.9 times as long.
    assert float(tf.reduce_sum(larger)) == pytest.approx(25 * 1.9**2, rel=0.1)
    rows = [np.flatnonzero(row)[0] for row in sheared[0, 8:13, :, 0].numpy()]
    assert rows == [10, 9, 8, 7, 6]


def test_whole_numbers_stay_whole():
    x = tf.constant(_image(3, np.uint8))
    seen = tpl.views.images().strong(tf.tile(x, [50, 1, 1, 1]), _draws())

    assert seen.dtype == tf.uint8 and seen.shape == (50, 9, 7, 3)
    assert len({row.numpy().tobytes() for row in seen}) == 50


def test_colours():
    x = tf.constant(_image(3)) / 255
    bright = Colours(0.5, max_value=1)(x, Fixed(0.4, 0, 0))
    flat = Colours(1.0)(x, Fixed(0, -1, 0))
    grey = Colours(1.0)(x, Fixed(0, 0, -1))
    same = Colours(0.0)(x, None)

    np.testing.assert_allclose(bright, np.minimum(1.2 * x, 1), rtol=1e-5)
    np.testing.assert_allclose(flat, np.full_like(x, np.mean(x)), rtol=1e-5)
    luma = np.sum(x * [0.2989, 0.587, 0.114], -1, keepdims=True)
    np.testing.assert_allclose(grey, np.repeat(luma, 3, -1), atol=1e-4)
    assert same is x


def test_rows_have_colours_of_their_own():
    x = np.random.default_rng(1).random((5, 4, 6, 3)).astype(np.float32)
    factors = 1 + 0.5 * _draws(5).uniform(3, low=-1.0).numpy()

    seen = Colours(0.5)(tf.constant(x), _draws(5))

    bright, contrast, saturation = factors.T[..., None, None, None]
    x = x * bright
    mean = np.mean(x, axis=(1, 2, 3), keepdims=True)
    x = mean + contrast * (x - mean)
    grey = x @ np.array([[0.2989], [0.5870], [0.1140]])
    np.testing.assert_allclose(seen, grey + saturation * (x - grey), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float16"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_squares_and_colours_are_found_in_every_dtype(dtype, jit_compile):
    x = tf.constant(np.full((5, 8, 6, 3), 7), dtype)

    @tf.function(
        input_signature=[tf.TensorSpec((None, 8, 6, 3), dtype)],
        jit_compile=jit_compile,
    )
    def view(x):
        return Cutout(0.5)(x, _draws(5)), Colours(0.5)(x, _draws(5))

    cut, coloured = view(x)

    assert cut.dtype == coloured.dtype == dtype
    assert set(np.unique(cut)) == {0, 7}
    assert len(np.unique(coloured)) > 2


def test_a_square_is_cut_out():
    x = tf.ones([1, 8, 8, 2])

    # Centre at row 4, column 0: half of the square stands out.
    seen = Cutout(0.5)(x, Fixed(0.5, 0.0)).numpy()

    expected = np.ones((8, 8))
    expected[2:6, 0:2] = 0
    np.testing.assert_array_equal(seen[0, ..., 0], expected)
    np.testing.assert_array_equal(seen[0, ..., 1], expected)
    np.testing.assert_array_equal(Cutout(0.0)(x, Fixed(0.5, 0.5)), x)


def test_weak_views_are_shifted_and_no_more():
    x = tf.tile(_image(), [50, 1, 1, 1])

    seen = tpl.views.images(shift=0.2, fill="constant").weak(x, _draws())

    values = set(np.unique(x)) | {0.0}
    assert {round(float(v)) for v in np.unique(seen)} <= values
    assert len({row.numpy().tobytes() for row in seen}) > 5


def test_they_are_saved_with_the_model():
    views = tpl.views.images((9, 7), flip=True, seed=3)
    made = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(views)
    )

    assert made.get_config() == views.get_config()
    x = tf.tile(_image(), [5, 1, 1, 1])
    np.testing.assert_array_equal(
        made.strong(x, _draws(5)), views.strong(x, _draws(5))
    )
    assert not views.supports_jit
    assert tpl.views.images(student_view="weak").supports_jit


def test_images_of_unknown_sizes_are_refused():
    spec = tf.TensorSpec((None, None, None, 3))

    with pytest.raises(
        ValueError, match=r"of one size, known .* None, None, 3"
    ):
        tpl.views.images().check(spec)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"shift": 1.0}, r"`shift` must be in \[0, 1\); got 1"),
        ({"rotate": -5}, r"`rotate` must be in \[0, 180\]; got -5"),
        ({"cutout": float("nan")}, "`cutout` must be a finite number"),
        ({"fill": "wrap"}, "`fill` is one of reflect, constant; got 'wrap'"),
    ],
)
def test_numbers_out_of_range_are_refused(choices, message):
    with pytest.raises(ValueError, match=message):
        tpl.views.images(**choices)


def test_inputs_that_are_no_such_images_are_refused():
    views = tpl.views.images(8)

    with pytest.raises(ValueError, match=r"\(8, 8\); got \(9, 7\)"):
        views.check(tf.TensorSpec((None, 9, 7, 1)))
    with pytest.raises(ValueError, match="for one input"):
        views.check(tf.TensorSpec((None, 4)))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_white_is_255_in_whole_numbers_of_any_size(dtype):
    x = tf.constant(np.full((50, 4, 4, 1), 200), dtype)

    view = Colours(0.9)(x, _draws())

    assert view.dtype == dtype
    assert np.max(view) == 255
