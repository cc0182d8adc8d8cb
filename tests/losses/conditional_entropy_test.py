import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import entr

import tf_pseudolabel as tpl
from tf_pseudolabel import ConditionalEntropy
from tf_pseudolabel.lab.analysis.entropy import conditional_entropy

LOGITS = np.array([[0.0, 2.0, -1.0], [-3.0, 0.5, 4.0]], "float32")
OUTPUTS = {
    "softmax": np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True),
    "sigmoid": 1 / (1 + np.exp(-LOGITS)),
}
IDS = np.array([0, 1])


@pytest.mark.parametrize("activation", OUTPUTS)
def test_entropy_by_hand(activation):
    outputs = OUTPUTS[activation]
    expected = -np.sum(outputs * np.log(outputs)) / 2

    found = ConditionalEntropy(activation)(IDS, LOGITS)

    assert float(found) == pytest.approx(expected, rel=1e-6)
    # What is minimized is what Lee's table 1 reports.
    assert float(found) == pytest.approx(conditional_entropy(outputs), rel=1e-6)


@pytest.mark.parametrize("activation", OUTPUTS)
def test_decided_outputs_have_neither_entropy_nor_gradient(activation):
    """P = 0 and P = 1: no 0 log 0."""
    logits = tf.Variable([[200.0, -200.0, -300.0]])
    with tf.GradientTape() as tape:
        entropy = ConditionalEntropy(activation)(IDS[:1], logits)

    assert float(entropy) == 0
    np.testing.assert_array_equal(tape.gradient(entropy, logits), [[0, 0, 0]])


def test_undecided_softmax_has_the_entropy_of_uniform_classes():
    found = ConditionalEntropy()(IDS, np.zeros((2, 5), "float32"))

    assert float(found) == pytest.approx(np.log(5))


@pytest.mark.parametrize("activation", OUTPUTS)
def test_gradient_against_differences(activation):
    logits = tf.Variable(LOGITS, dtype="float64")
    loss = ConditionalEntropy(activation, dtype="float64")
    with tf.GradientTape() as tape:
        entropy = loss(IDS, logits)
    gradient = tape.gradient(entropy, logits).numpy()

    step = 1e-6
    for place in np.ndindex(LOGITS.shape):
        moved = LOGITS.astype("float64")
        moved[place] += step
        difference = (loss(IDS, moved) - entropy) / step
        assert gradient[place] == pytest.approx(float(difference), abs=1e-5)


def test_labels_do_not_count():
    loss = ConditionalEntropy()

    one_hot = np.eye(3, dtype="float32")[IDS]
    assert float(loss(one_hot, LOGITS)) == float(loss(1 - one_hot, LOGITS))


def test_sample_weights():
    found = ConditionalEntropy()(IDS, LOGITS, np.array([2.0, 0.0]))

    expected = 2 * entr(OUTPUTS["softmax"][0]).sum() / 2
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_serialization():
    loss = ConditionalEntropy("sigmoid")
    config = keras.saving.serialize_keras_object(loss)
    restored = keras.saving.deserialize_keras_object(config)

    assert type(restored) is ConditionalEntropy
    assert restored.activation == "sigmoid"


def test_unknown_activation():
    with pytest.raises(ValueError, match="softmax, sigmoid; got 'relu'"):
        ConditionalEntropy("relu")


@pytest.mark.parametrize("replicas", [1, 2])
def test_an_update_of_entropy_regularization_by_hand(replicas, request):
    """Equation 18 with lambda = 0.5, one step of gradient descent."""
    rng = np.random.default_rng(0)
    x, x_u = (rng.normal(size=(n, 2)).astype("float32") for n in (4, 6))
    y = np.array([0, 1, 2, 1])
    kernel = rng.normal(size=(2, 3)).astype("float32")
    strategy = (
        tf.distribute.get_strategy()
        if replicas == 1
        else request.getfixturevalue("two_replicas")
    )
    with strategy.scope():
        classifier = keras.Sequential(
            [keras.Input((2,)), keras.layers.Dense(3, use_bias=False)]
        )
        model = tpl.PseudoLabelModel(
            classifier, unlabeled_loss=ConditionalEntropy()
        )
        model.compile(
            keras.optimizers.SGD(0.1),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
    classifier.set_weights([kernel])
    model.alpha.assign(0.5)
    history = model.fit(
        tpl.merge_streams(
            tf.data.Dataset.from_tensors((x, y)),
            tf.data.Dataset.from_tensors(x_u),
        ),
        verbose=0,
    ).history

    def softmax(logits):
        exponentials = np.exp(logits)
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    outputs, outputs_u = softmax(x @ kernel), softmax(x_u @ kernel)
    entropies = entr(outputs_u).sum(axis=1, keepdims=True)
    of_logits = (outputs - np.eye(3)[y]) / 4
    of_logits_u = -outputs_u * (np.log(outputs_u) + entropies) / 6
    gradient = x.T @ of_logits + 0.5 * x_u.T @ of_logits_u
    np.testing.assert_allclose(
        classifier.get_weights()[0], kernel - 0.1 * gradient, rtol=1e-5
    )
    assert history["unlabeled_loss"][0] == pytest.approx(
        entropies.mean(), rel=1e-5
    )
