import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.data import numbers
from tf_pseudolabel.lab.data.examples import Examples
from tf_pseudolabel.lab.data.inputs import read
from tf_pseudolabel.lab.data.kinds import Images, Kind
from tf_pseudolabel.lab.data.splits import Split
from tf_pseudolabel.lab.errors import InputError


def told(x, training=None):
    if training is None:
        training = np.ones(len(x), bool)
    return numbers.told(x, training, "x_train")


@pytest.mark.parametrize(
    ("x", "shape", "dtype", "kind"),
    [
        (np.zeros((2, 4, 5), np.uint8), (2, 4, 5, 1), "uint8", Images),
        (np.zeros((2, 4, 5, 3)), (2, 4, 5, 3), "float32", Images),
        (np.zeros((2, 4, 5, 1), np.int64), (2, 4, 5, 1), "float32", Images),
        (np.zeros((2, 4, 5), bool), (2, 4, 5, 1), "float32", Images),
        (np.zeros((2, 4), np.float16), (2, 4), "float32", numbers.Vectors),
        (np.zeros(2), (2, 1), "float32", numbers.Vectors),
        (np.zeros((2, 4), bool), (2, 4), "float32", numbers.Vectors),
        (np.zeros((2, 3, 4, 5, 6)), (2, 3, 4, 5, 6), "float32", Kind),
        (np.zeros((2, 4), np.int32), (2, 4), "int32", Kind),
    ],
)
def test_shape_and_dtype_tell_what_numbers_are(x, shape, dtype, kind):
    found, what, notes = told(x)
    assert (found.shape, found.dtype.name) == (shape, dtype)
    assert type(what) is kind
    assert bool(notes) == (dtype == "int32")


@pytest.mark.parametrize(
    ("largest", "white"), [(0.0, 1), (0.7, 1), (1.0, 1), (16.0, 16)]
)
def test_white_is_as_large_as_training_floats_come(largest, white):
    x = np.zeros((3, 2, 2))
    x[0, 0, 0], x[2, 0, 0] = largest, 255.0
    _, kind, _ = told(x, np.array([True, True, False]))
    assert kind.max_value == white


def test_white_of_bytes_is_255():
    assert told(np.ones((3, 2, 2), np.uint8))[1].max_value == 255


@pytest.mark.parametrize(
    ("x", "problem"),
    [
        (np.array([["a"]]), "got str.* of shape \\(1, 1\\)"),
        (np.zeros((2, 2), complex), "got complex128"),
        (np.zeros((2, 0)), "shape \\(2, 0\\)"),
        (np.zeros((2, 3, 32, 32)), "\\(2, 3, 32, 32\\) in x_train.*moveaxis"),
    ],
)
def test_what_are_no_numbers_is_refused(x, problem):
    with pytest.raises(InputError, match=problem):
        told(x)


def split_of(x, labeled, unlabeled):
    every = Examples(
        x, np.zeros(len(x), np.int64), np.arange(len(x)).astype(str)
    )
    rest = np.setdiff1d(np.arange(len(x)), [*labeled, *unlabeled])
    return Split(
        labeled=every.take(np.array(labeled)),
        unlabeled=every.take(np.array(unlabeled)),
        validation=every.take(rest),
        test=every.take(rest),
    )


def test_vectors_are_normalized_by_training_rows(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(1000, 5, (20, 3)).astype(np.float32)
    x[:, 2] = 7
    x[19] = 0
    split = split_of(x, [3, 1], [*range(4, 12)])
    encoding = numbers.Vectors().encoding(split)
    encoded = encoding.of(split)

    known = x[[3, 1, *range(4, 12)]].astype(np.float64)
    deviation = known.std(axis=0)
    deviation[2] = 1
    expected = (x[12:] - known.mean(axis=0)) / deviation
    rows = [0, 2, *range(12, 20)]
    found = read(encoded.test.inputs, np.array(rows))
    np.testing.assert_allclose(found[2:], expected, rtol=1e-4, atol=1e-4)
    # What never varied in training stays as far away as it is.
    assert found[-1, 2] == -7
    assert encoding.spec == tf.TensorSpec((3,), tf.float32)

    # It travels with what is exported.
    encoding.model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x[rows], verbose=0), found)


def test_vectors_are_written_as_numbers():
    texts = numbers.Vectors().texts(np.array([[1.5, 2, 1e-9]], np.float32))
    assert texts == ["1.5, 2, 1e-09"]
