import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel import ClassPrior


def _penalty(probabilities):
    """Of rows on one replica, as an update has it, but for the weight."""
    term = ClassPrior()
    return term.of_mean(tf.reduce_mean(term.of_rows(probabilities), axis=0))


@pytest.mark.parametrize("rows", [np.full([1, 4], 0.25), np.eye(4)])
def test_classes_in_equal_shares_are_the_least(rows):
    """A mean of 1/4 for each of four classes, sure or not: log 4."""
    penalty = float(_penalty(rows.astype("float32")))

    assert penalty == pytest.approx(np.log(4), rel=1e-6)
    for other in np.random.default_rng(0).dirichlet(np.ones(4), size=20):
        assert float(_penalty(other[None].astype("float32"))) > penalty


def test_by_hand():
    rows = np.array([[0.5, 0.5], [0.7, 0.3], [1.0, 0.0]], "float32")

    # Means 2.2 / 3 and 0.8 / 3; -(log + log) / 2.
    expected = -(np.log(2.2 / 3) + np.log(0.8 / 3)) / 2
    assert float(_penalty(rows)) == pytest.approx(expected, rel=1e-6)


def test_it_is_the_cross_entropy_of_uniform_classes():
    """R_A of Arazo et al. is KL(uniform, mean); log C apart from it."""
    rows = np.random.default_rng(0).dirichlet(np.ones(5), size=7)
    mean = rows.mean(axis=0)
    divergence = np.sum(0.2 * np.log(0.2 / mean))

    found = float(_penalty(rows.astype("float32")))
    assert found == pytest.approx(divergence + np.log(5), rel=1e-5)


def test_absent_classes_cost_much_and_have_finite_gradients():
    rows = tf.Variable([[1.0, 0.0, 0.0]] * 4)
    with tf.GradientTape() as tape:
        penalty = _penalty(rows)
    gradient = tape.gradient(penalty, rows)

    # -(log 1 + 2 log 1e-12) / 3.
    assert float(penalty) == pytest.approx(2 * 12 * np.log(10) / 3, rel=1e-5)
    assert np.isfinite(gradient).all()


def test_gradient_by_hand():
    rows = tf.Variable([[0.5, 0.5], [0.7, 0.3]])
    with tf.GradientTape() as tape:
        penalty = _penalty(rows)

    # d/dp of -(log m_1 + log m_2) / 2 is -1 / (2 m n).
    expected = [[-1 / (4 * 0.6), -1 / (4 * 0.4)]] * 2
    np.testing.assert_allclose(
        tape.gradient(penalty, rows), expected, rtol=1e-5
    )


def test_serialization():
    term = ClassPrior(0.3)
    config = keras.saving.serialize_keras_object(term)
    restored = keras.saving.deserialize_keras_object(config)

    assert type(restored) is ClassPrior
    assert restored.weight == 0.3
    assert ClassPrior().weight == 0.8
