import keras
import numpy as np
import pytest
import tensorflow as tf
from tf_pseudolabel.labels.probabilities import is_per_class, probabilities

from tf_pseudolabel import SummedBinaryCrossentropy
from tf_pseudolabel.update import objective

LOGITS = np.array([[0.0, 2.0, -1.0], [-3.0, 0.5, 4.0]], "float32")
SOFTMAX = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=-1, keepdims=True)
SIGMOID = 1 / (1 + np.exp(-LOGITS))


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.CategoricalCrossentropy,
        keras.losses.SparseCategoricalCrossentropy,
        keras.losses.CategoricalFocalCrossentropy,
    ],
)
def test_logits_of_one_choice_among_classes_go_through_softmax(loss):
    found = probabilities(tf.constant(LOGITS), loss(from_logits=True))

    np.testing.assert_allclose(found, SOFTMAX, rtol=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        SummedBinaryCrossentropy,
        keras.losses.BinaryCrossentropy,
        keras.losses.BinaryFocalCrossentropy,
    ],
)
def test_logits_of_one_question_per_class_go_through_sigmoid(loss):
    found = probabilities(tf.constant(LOGITS), loss(from_logits=True))

    np.testing.assert_allclose(found, SIGMOID, rtol=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.CategoricalCrossentropy(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=False),
        SummedBinaryCrossentropy(),
        # Without `from_logits`:
        keras.losses.MeanSquaredError(),
        objective.as_loss("categorical_crossentropy"),
        objective.as_loss(lambda y, p: tf.reduce_mean((y - p) ** 2, axis=-1)),
    ],
)
def test_probabilities_stay_as_they_are(loss):
    found = probabilities(tf.constant(SOFTMAX), loss)

    np.testing.assert_array_equal(found, SOFTMAX)


def test_probabilities_are_single_precision():
    """0.95 and 0.953 are one number in bfloat16."""
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    found = probabilities(tf.constant(LOGITS, tf.bfloat16), loss)

    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, SOFTMAX, rtol=1e-5)


def test_gradients_flow_through_the_scores():
    scores = tf.Variable(LOGITS)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        first = probabilities(scores, loss)[0, 0]
    gradient = tape.gradient(first, scores)

    # The derivative of p_0 by the logits is p_0 (e_0 - p).
    p = SOFTMAX[0]
    expected = [p[0] * (np.eye(3)[0] - p), np.zeros(3)]
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (SummedBinaryCrossentropy(), True),
        (keras.losses.BinaryCrossentropy(), True),
        (keras.losses.BinaryFocalCrossentropy(), True),
        (keras.losses.CategoricalCrossentropy(), False),
        (keras.losses.SparseCategoricalCrossentropy(), False),
        (keras.losses.MeanSquaredError(), False),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_which_losses_are_per_class(loss, expected):
    assert is_per_class(loss) is expected


@pytest.mark.parametrize("name", ["binary_crossentropy", "bce"])
def test_a_loss_by_name_is_per_class_as_its_class_is(name):
    assert is_per_class(objective.as_loss(name))
