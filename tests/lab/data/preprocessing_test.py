import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.data.preprocessing import (
    float32_on_cpu,
    normalization,
)


def test_layers_are_of_float32_on_the_cpu_and_the_policy_comes_back():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        with pytest.raises(RuntimeError), float32_on_cpu():
            layer = keras.layers.Normalization(mean=[1.0], variance=[4.0])
            weight = keras.Variable([1.0])
            raise RuntimeError
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert layer.compute_dtype == "float32"
    assert "CPU:0" in weight.value.device


@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e-4, 1e25])
@pytest.mark.parametrize("shape", [(50, 1), (50, 3)])
def test_numbers_of_any_size_are_normalized(shape, scale):
    rows = np.random.default_rng(0).normal(3, 2, shape) * scale
    rows[7] = np.nan
    known = np.delete(rows, 7, axis=0)

    found = normalization(rows)(tf.constant(rows, tf.float32)).numpy()

    expected = (rows - known.mean(axis=0)) / known.std(axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[5.0], [5.0]], [0.0, 1.0]),
        ([[5.0], [np.nan]], [0.0, 1.0]),
        ([[np.nan], [np.nan]], [5.0, 6.0]),
        # Whose mean is not quite itself, as sums are rounded.
        ([[0.1]] * 49, [4.9, 5.9]),
    ],
)
def test_of_what_is_always_the_same_others_are_not_far(rows, expected):
    found = normalization(rows)(tf.constant([[5.0], [6.0]]))

    np.testing.assert_allclose(found.numpy().ravel(), expected, rtol=1e-6)
