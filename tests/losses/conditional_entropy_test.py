import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import (
    X_U,
    X,
    Y,
    beliefs_of,
    entropy,
    identity,
    linear,
    mean,
    model_of,
    passed,
    softmax,
    streams,
    token_network,
)
from tf_pseudolabel import ConditionalEntropy
from tf_pseudolabel.lab.analysis.entropy import conditional_entropy

LOGITS = np.array([[0.0, 2.0, -1.0], [-3.0, 0.5, 4.0]], "float32")
OUTPUTS = {"softmax": softmax(LOGITS), "sigmoid": 1 / (1 + np.exp(-LOGITS))}
LOSSES = {
    "softmax": keras.losses.SparseCategoricalCrossentropy,
    "sigmoid": tpl.SummedBinaryCrossentropy,
}


def _entropy(scores, activation="softmax", from_logits=True, **kwargs):
    """Of unlabeled rows, whose scores are given."""
    model = model_of(
        identity(scores.shape[-1]), LOSSES[activation](from_logits=from_logits)
    )
    context = passed(
        model, None, (scores,), like=np.zeros(1, "int64"), **kwargs
    )
    return mean(ConditionalEntropy(), context)


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("activation", OUTPUTS)
def test_entropy_by_hand(activation, from_logits):
    outputs = OUTPUTS[activation]
    scores = LOGITS if from_logits else outputs.astype("float32")
    expected = -np.sum(outputs * np.log(outputs)) / 2

    found = float(_entropy(scores, activation, from_logits))

    assert found == pytest.approx(expected, rel=1e-5)
    # What is minimized is what Lee's table 1 reports.
    assert found == pytest.approx(conditional_entropy(outputs), rel=1e-5)


@pytest.mark.parametrize("activation", OUTPUTS)
@pytest.mark.parametrize("from_logits", [True, False])
def test_the_networks_last_activation_is_not_applied_again(
    activation, from_logits
):
    """Whatever the loss says: Keras' loss corrects itself, too."""
    classifier = linear(activation)
    p = classifier(X_U).numpy()
    model = model_of(classifier, LOSSES[activation](from_logits=from_logits))
    found = mean(ConditionalEntropy(), passed(model))

    assert float(found) == pytest.approx(entropy(p).mean(), rel=1e-5)


@pytest.mark.parametrize("activation", OUTPUTS)
def test_decided_outputs_have_neither_entropy_nor_gradient(activation):
    """P = 0 and P = 1: no 0 log 0."""
    logits = tf.Variable([[200.0, -200.0, -300.0]])
    with tf.GradientTape() as tape:
        found = _entropy(tf.identity(logits), activation)

    assert float(found) == 0
    np.testing.assert_array_equal(tape.gradient(found, logits), [[0, 0, 0]])


def test_undecided_softmax_has_the_entropy_of_uniform_classes():
    found = _entropy(np.zeros((2, 5), "float32"))

    assert float(found) == pytest.approx(np.log(5))


@pytest.mark.parametrize("activation", OUTPUTS)
def test_gradient_against_differences(activation):
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        found = _entropy(tf.identity(logits), activation)
    gradient = tape.gradient(found, logits).numpy()

    def by_hand(z):
        p = softmax(z) if activation == "softmax" else 1 / (1 + np.exp(-z))
        return entropy(p).mean()

    step = 1e-6
    for place in np.ndindex(LOGITS.shape):
        moved = LOGITS.astype("float64")
        moved[place] += step
        difference = (by_hand(moved) - by_hand(LOGITS.astype("float64"))) / step
        assert gradient[place] == pytest.approx(difference, abs=1e-5)


# Which rows.


def test_labeled_rows_and_pseudo_labels_do_not_count():
    model = model_of()
    expected = entropy(softmax(model.classifier(X_U).numpy())).mean()
    for labels in (Y, 2 - Y):
        context = passed(model, (X, labels))
        context.beliefs = beliefs_of(np.eye(3)[np.arange(12) % 3])
        found = mean(ConditionalEntropy(), context)
        assert float(found) == pytest.approx(expected, rel=1e-5)


def test_sample_weights():
    unlabeled = LOGITS, np.full(2, -1), np.array([2.0, 0.0], "float32")
    model = model_of(identity(3))
    context = passed(model, None, unlabeled, like=np.zeros(1, "int64"))

    expected = 2 * entropy(OUTPUTS["softmax"])[0] / 2
    found = mean(ConditionalEntropy(), context)
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("counted", ["all", "accepted"])
def test_selected_rows_alone_count(counted):
    model = model_of(selection=tpl.Threshold(0.7, counted))
    p = softmax(model.classifier(X_U).numpy())
    accepted = p.max(axis=-1) >= 0.7
    size = accepted.sum() if counted == "accepted" else len(X_U)

    found = mean(ConditionalEntropy(), passed(model))
    assert float(found) == pytest.approx(
        (accepted * entropy(p)).sum() / size, rel=1e-5
    )


def test_masked_positions_do_not_count():
    tokens = np.array([[3, 0, 0, 0], [4, 2, 0, 0]])
    model = model_of(token_network())
    p = softmax(model.classifier(tokens).numpy())
    found = mean(
        ConditionalEntropy(), passed(model, (tokens, tokens), (tokens,))
    )

    expected = entropy(p)[tokens > 0].mean()
    assert float(found) == pytest.approx(expected, rel=1e-5)


# In place of pseudo-labels.


@pytest.mark.parametrize("replicas", [1, 2])
def test_an_update_of_entropy_regularization_by_hand(replicas, request):
    """Equation 18 with lambda = 0.5, one step of gradient descent."""
    strategy = (
        tf.distribute.get_strategy()
        if replicas == 1
        else request.getfixturevalue("two_replicas")
    )
    with strategy.scope():
        model = model_of(
            rate=0.1, alpha=0.5, unlabeled_loss=ConditionalEntropy()
        )
    kernel, bias = model.classifier.get_weights()
    history = model.fit(streams(), verbose=0).history

    outputs, outputs_u = (softmax(rows @ kernel + bias) for rows in (X, X_U))
    of_logits = (outputs - np.eye(3)[Y]) / len(X)
    entropies = entropy(outputs_u)[:, None]
    of_logits_u = -outputs_u * (np.log(outputs_u) + entropies) / len(X_U)
    gradient = X.T @ of_logits + 0.5 * X_U.T @ of_logits_u
    np.testing.assert_allclose(
        model.classifier.get_weights()[0], kernel - 0.1 * gradient, rtol=1e-4
    )
    assert history["unlabeled_loss"][0] == pytest.approx(
        entropies.mean(), rel=1e-5
    )
