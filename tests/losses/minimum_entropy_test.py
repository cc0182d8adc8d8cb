import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.contexts import (
    X_U,
    X,
    entropy,
    identity,
    linear,
    mean,
    model_of,
    passed,
    softmax,
    token_network,
)
from tf_pseudolabel import MinimumEntropy, SummedBinaryCrossentropy, Threshold


def _penalty(logits):
    """Of unlabeled rows alone, as an update has it, but for the weight."""
    logits = np.asarray(logits, "float32")
    model = model_of(identity(logits.shape[-1]))
    context = passed(model, None, (logits,), like=np.zeros(1, "int64"))
    return float(mean(MinimumEntropy(), context))


def test_undecided_rows_have_the_entropy_of_uniform_classes():
    assert _penalty(np.zeros([6, 5])) == pytest.approx(np.log(5), rel=1e-6)


def test_decided_rows_have_none():
    """Neither 0 log 0 nor 1 log 1 is anything but 0."""
    assert _penalty(200 * np.eye(3)) == 0


def test_mean_over_rows_by_hand():
    p = np.array([[0.5, 0.5], [0.75, 0.25], [1.0, 1e-30]])
    second = -0.75 * np.log(0.75) - 0.25 * np.log(0.25)

    assert _penalty(np.log(p)) == pytest.approx(
        (np.log(2) + second + 0) / 3, rel=1e-5
    )


@pytest.mark.parametrize("logits", [[[0.5, -1.0, 2.0]], [[200, 0, -200]]])
def test_gradient_by_hand(logits):
    """Of decided rows: 0."""
    logits = np.array(logits, "float32")
    model = model_of(identity(3))
    bias = tf.Variable(tf.zeros([3]))
    with tf.GradientTape() as tape:
        context = passed(
            model, None, (logits + bias,), like=np.zeros(1, "int64")
        )
        penalty = mean(MinimumEntropy(), context)

    # d/dz of the entropy is -p (log p + entropy).
    p = softmax(logits.astype("float64"))[0]
    expected = -p * (np.log(np.maximum(p, 1e-300)) + entropy(p))
    np.testing.assert_allclose(
        tape.gradient(penalty, bias), expected, atol=1e-6
    )


# In an update.


@pytest.mark.parametrize("batch_norm", ["separate", "joint"])
def test_rows_of_both_batches_count_selected_or_not(batch_norm):
    model = model_of(batch_norm=batch_norm, selection=Threshold(1.0))
    p = softmax(model.classifier(np.concatenate([X, X_U])).numpy())
    found = mean(MinimumEntropy(), passed(model))

    assert float(found) == pytest.approx(entropy(p).mean(), rel=1e-5)


@pytest.mark.parametrize("batch_norm", ["separate", "joint"])
def test_masked_positions_do_not_count(batch_norm):
    tokens = np.array([[1, 2, 3, 4], [5, 1, 2, 0]])
    tokens_u = np.array([[3, 0, 0, 0], [4, 2, 0, 0]])
    model = model_of(token_network(), batch_norm=batch_norm)
    both = np.concatenate([tokens, tokens_u])
    entropies = entropy(softmax(model.classifier(both).numpy()))
    found = mean(
        MinimumEntropy(), passed(model, (tokens, tokens % 3), (tokens_u,))
    )

    expected = entropies[both > 0].mean()
    assert float(found) == pytest.approx(expected, rel=1e-5)
    assert abs(entropies.mean() - expected) > 0.01


@pytest.mark.parametrize("from_logits", [False, True])
def test_outputs_are_what_network_and_loss_say(from_logits):
    """A softmax that is taken for logits has another entropy."""
    classifier = linear("softmax")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    p = classifier(np.concatenate([X, X_U])).numpy()
    found = mean(MinimumEntropy(), passed(model_of(classifier, loss)))

    assert float(found) == pytest.approx(entropy(p).mean(), rel=1e-5)


def test_sigmoids_have_no_term_for_the_other_side():
    loss = SummedBinaryCrossentropy(from_logits=True)
    model = model_of(loss=loss)
    logits = model.classifier(np.concatenate([X, X_U])).numpy()
    p = 1 / (1 + np.exp(-logits.astype("float64")))

    found = mean(MinimumEntropy(), passed(model))
    assert float(found) == pytest.approx(entropy(p).mean(), rel=1e-5)
