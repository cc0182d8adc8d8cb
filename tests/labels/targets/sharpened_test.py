import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.contexts import ONE_HOT, X_U, X, Y, beliefs_of, model_of, passed
from tf_pseudolabel.labels.targets import Sharpened

PROBABILITIES = [[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0, 0.25, 0.75]]
LIKE = tf.zeros([5, 3])
# 1 : 49 : 4, 25 : 9 : 4, and 0 : 1 : 9.
SQUARED = [
    [1 / 54, 49 / 54, 4 / 54],
    [25 / 38, 9 / 38, 4 / 38],
    [0, 1 / 10, 9 / 10],
]


def _labels(temperature, probabilities=PROBABILITIES):
    return Sharpened(temperature).labels(beliefs_of(probabilities), LIKE)


def test_temperature_one_half_squares_the_probabilities():
    np.testing.assert_allclose(_labels(0.5), SQUARED, rtol=1e-5, atol=1e-12)


def test_temperature_1_is_soft():
    np.testing.assert_allclose(
        _labels(1.0), PROBABILITIES, rtol=1e-5, atol=1e-12
    )


@pytest.mark.parametrize("temperature", [0.01, 1e-4, 1e-6])
def test_low_temperatures_are_hard_without_underflow(temperature):
    """0.5^100 is no number of float32 any more; 0.4^100 neither."""
    nearly_equal = [[0.4, 0.5, 0.1], [0.35, 0.3, 0.35001]]
    labels = _labels(temperature, nearly_equal)

    np.testing.assert_allclose(tf.reduce_sum(labels, axis=-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(tf.argmax(labels, axis=-1), [1, 2])
    np.testing.assert_allclose(labels[0], [0, 1, 0], atol=1e-6)


def test_certain_probabilities_stay_certain():
    labels = _labels(0.5, [[0.0, 1.0, 0.0]])

    np.testing.assert_allclose(labels, [[0, 1, 0]], atol=1e-12)


def test_labels_have_the_dtype_of_those_that_were_given():
    target = Sharpened()
    labels = target.labels(
        beliefs_of(PROBABILITIES), tf.zeros([5, 3], "float64")
    )

    assert labels.dtype == tf.float64


def test_the_temperature_moves_in_a_traced_step():
    target = Sharpened(1.0)
    step = tf.function(lambda: target.labels(beliefs_of(PROBABILITIES), LIKE))
    np.testing.assert_allclose(step(), PROBABILITIES, rtol=1e-5, atol=1e-12)

    target.temperature = 0.5
    np.testing.assert_allclose(step(), SQUARED, rtol=1e-5, atol=1e-12)


def test_in_an_update():
    model = model_of(
        loss=keras.losses.CategoricalCrossentropy(True), target="sharpened"
    )
    beliefs = passed(model, (X, ONE_HOT[Y]), (X_U,)).beliefs
    squares = beliefs.probabilities.numpy() ** 2

    np.testing.assert_allclose(
        beliefs.target, squares / squares.sum(axis=-1, keepdims=True), rtol=1e-5
    )


@pytest.mark.parametrize("temperature", [0.0, -1.0, 1.5])
def test_temperature_that_does_not_sharpen_is_refused(temperature):
    with pytest.raises(ValueError, match=f"got {temperature}"):
        Sharpened(temperature)


def test_serialization():
    config = keras.saving.serialize_keras_object(Sharpened(0.25))
    restored = keras.saving.deserialize_keras_object(config)

    assert type(restored) is Sharpened
    assert restored.temperature == 0.25
    assert Sharpened().get_config() == {"temperature": 0.5}
