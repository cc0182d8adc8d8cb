import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel import MinimumEntropy


def _penalty(probabilities):
    """Of rows on one replica, as an update has it, but for the weight."""
    term = MinimumEntropy()
    return term.of_mean(tf.reduce_mean(term.of_rows(probabilities), axis=0))


def test_undecided_rows_have_the_entropy_of_uniform_classes():
    assert float(_penalty(tf.fill([6, 5], 0.2))) == pytest.approx(
        np.log(5), rel=1e-6
    )


def test_decided_rows_have_none():
    """Neither 0 log 0 nor 1 log 1 is anything but 0."""
    assert float(_penalty(tf.eye(3))) == 0


def test_mean_over_rows_by_hand():
    rows = np.array([[0.5, 0.5], [0.75, 0.25], [1.0, 0.0]], "float32")
    second = -0.75 * np.log(0.75) - 0.25 * np.log(0.25)

    assert float(_penalty(rows)) == pytest.approx(
        (np.log(2) + second + 0) / 3, rel=1e-6
    )


def test_one_value_per_row():
    rows = MinimumEntropy().of_rows(tf.constant([[0.5, 0.5], [1.0, 0.0]]))

    np.testing.assert_allclose(rows, [[np.log(2)], [0]], rtol=1e-6)


def test_gradient_by_hand():
    rows = tf.Variable([[0.5, 0.5], [0.75, 0.25]])
    with tf.GradientTape() as tape:
        penalty = _penalty(rows)

    # d/dp of -p log p is -(log p + 1), over two rows.
    np.testing.assert_allclose(
        tape.gradient(penalty, rows),
        -(np.log(rows.numpy()) + 1) / 2,
        rtol=1e-5,
    )


def test_decided_logits_have_gradients_of_0():
    logits = tf.Variable([[200.0, 0.0, -200.0]])
    with tf.GradientTape() as tape:
        penalty = _penalty(tf.nn.softmax(logits))
    gradient = tape.gradient(penalty, logits)

    assert float(penalty) == 0
    np.testing.assert_allclose(gradient, [[0, 0, 0]], atol=1e-6)


def test_serialization():
    term = MinimumEntropy(0.1)
    config = keras.saving.serialize_keras_object(term)
    restored = keras.saving.deserialize_keras_object(config)

    assert type(restored) is MinimumEntropy
    assert restored.weight == 0.1
    assert MinimumEntropy().weight == 0.4
