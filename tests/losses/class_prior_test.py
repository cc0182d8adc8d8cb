import numpy as np
import pytest
import tensorflow as tf

from tests.contexts import (
    X_U,
    X,
    identity,
    mean,
    model_of,
    passed,
    softmax,
    token_network,
)
from tf_pseudolabel import ClassPrior


def _penalty(probabilities):
    """Of rows on one replica, as an update has it, but for the weight."""
    return ClassPrior().of_mean(tf.reduce_mean(probabilities, axis=0))


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
    shares = rows.mean(axis=0)
    divergence = np.sum(0.2 * np.log(0.2 / shares))

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


# In an update.


def _expected(p):
    return -np.log(p.mean(axis=0)).mean()


@pytest.mark.parametrize("batch_norm", ["separate", "joint"])
def test_the_mean_is_over_the_rows_of_both_batches(batch_norm):
    model = model_of(batch_norm=batch_norm)
    p = softmax(model.classifier(np.concatenate([X, X_U])).numpy())

    found = mean(ClassPrior(), passed(model))
    assert float(found) == pytest.approx(_expected(p), rel=1e-5)


def test_without_labeled_rows_it_is_over_the_others():
    model = model_of()
    context = passed(model, labeled=None, like=np.zeros(1, "int64"))
    p = softmax(model.classifier(X_U).numpy())

    found = mean(ClassPrior(), context)
    assert float(found) == pytest.approx(_expected(p), rel=1e-5)


@pytest.mark.parametrize("batch_norm", ["separate", "joint"])
def test_masked_positions_do_not_count(batch_norm):
    tokens = np.array([[1, 2, 3, 4], [5, 1, 2, 0]])
    tokens_u = np.array([[3, 0, 0, 0], [4, 2, 0, 0]])
    model = model_of(token_network(), batch_norm=batch_norm)
    both = np.concatenate([tokens, tokens_u])
    p = softmax(model.classifier(both).numpy())
    found = mean(ClassPrior(), passed(model, (tokens, tokens % 3), (tokens_u,)))

    assert float(found) == pytest.approx(_expected(p[both > 0]), rel=1e-5)
    assert abs(_expected(p.reshape(-1, 3)) - float(found)) > 0.01


def test_shares_of_known_scores():
    """Scores of 10 are 1, all others 0: classes in shares 2 : 1 : 1."""
    scores = 10 * np.eye(3, dtype="float32")
    model = model_of(identity(3))
    context = passed(model, (scores[:1], np.array([0])), (scores,))

    expected = -np.log(np.array([2, 1, 1]) / 4).mean()
    assert float(mean(ClassPrior(), context)) == pytest.approx(
        expected, rel=1e-3
    )
