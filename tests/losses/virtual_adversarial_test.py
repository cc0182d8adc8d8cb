import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import (
    X_U,
    context_of,
    linear,
    mean,
    model_of,
    normalizing,
    passed,
    softmax,
    streams,
)


def _model(network=None, **choices):
    return model_of(
        network,
        unlabeled_loss=tpl.VirtualAdversarial(**{"seed": 1, **choices}),
        batch_norm="separate",
    )


@pytest.mark.parametrize("epsilon", [0.5, 6.0])
def test_of_two_classes_the_worst_direction_is_known(epsilon):
    """r = ± epsilon (w1 - w0) / |w1 - w0|, whatever the random direction."""
    model = _model(linear(classes=2), epsilon=epsilon)
    kernel, bias = model.classifier.get_weights()

    found, size = model.unlabeled_loss.sums(passed(model))

    p = softmax(X_U @ kernel + bias)
    worst = kernel[:, 1] - kernel[:, 0]
    worst *= epsilon / np.linalg.norm(worst)
    both = []
    for sign in (1, -1):
        q = softmax((X_U + sign * worst) @ kernel + bias)
        both.append((p * np.log(p / q)).sum(1))
    lowest, highest = np.sum(np.minimum(*both)), np.sum(np.maximum(*both))
    assert float(size) == len(X_U)
    assert lowest * 0.999 <= float(found) <= highest * 1.001
    assert lowest > 0


def test_a_step_is_as_long_as_it_is_said(monkeypatch):
    model = _model(epsilon=2.0, xi=0.3)
    context = passed(model)
    seen = []
    forward = context.forward
    monkeypatch.setattr(
        context, "forward", lambda x, **k: seen.append(x) or forward(x, **k)
    )

    model.unlabeled_loss.sums(context)

    lengths = [np.linalg.norm(x - X_U, axis=1) for x in seen]
    np.testing.assert_allclose(lengths[0], 0.3, rtol=1e-3)
    np.testing.assert_allclose(lengths[1], 2.0, rtol=1e-3)


def test_no_gradient_flows_through_what_is_compared_with():
    model = _model(epsilon=1.0)
    kernel = model.classifier.weights[0]
    seen = []
    with tf.GradientTape() as tape:
        context = passed(model)
        forward = context.forward
        context.forward = lambda x, **k: seen.append(x) or forward(x, **k)
        found = mean(model.unlabeled_loss, context)
    gradient = tape.gradient(found, kernel.value)

    p = tf.constant(softmax(model.classifier(X_U).numpy()))
    with tf.GradientTape() as tape:
        q = tf.nn.log_softmax(model.classifier(tf.constant(seen[1].numpy())))
        alone = tf.reduce_mean(-tf.reduce_sum(p * q, axis=-1))
    np.testing.assert_allclose(
        gradient, tape.gradient(alone, kernel.value), rtol=1e-3, atol=1e-6
    )


def test_moving_statistics_do_not_follow():
    model = _model(normalizing())
    context = passed(model)
    before = [w.numpy() for w in model.classifier.non_trainable_weights]
    model.unlabeled_loss.sums(context)

    for a, b in zip(
        before, model.classifier.non_trainable_weights, strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_replicas_updates_and_loading(two_replicas, tmp_path):
    one = _model()
    with two_replicas.scope():
        two = _model()
    for model in (one, two):
        model.fit(streams(batch=5, batch_u=7), epochs=2, verbose=0)

    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    one.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert loaded.unlabeled_loss.get_config()["epsilon"] == 6.0


def test_whole_numbers_are_refused():
    network = keras.Sequential(
        [keras.Input((4,), dtype="uint8"), keras.layers.Dense(3)]
    )
    model = _model(network)
    x = np.ones((3, 4), np.uint8)
    context = context_of(model, (x, np.zeros(3, int)), (x,))
    context.pass_labeled()
    context.pass_unlabeled()

    with pytest.raises(ValueError, match="must be floats; got uint8"):
        model.unlabeled_loss.sums(context)
    with pytest.raises(ValueError, match="above 0; got 0"):
        tpl.VirtualAdversarial(0)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_the_direction_is_found_in_half_precision(policy):
    """Its gradients are too small for float16 where white is 255."""
    x = np.random.default_rng(0).uniform(0, 255, (64, 784)).astype("float32")

    def loss(policy):
        keras.utils.set_random_seed(0)
        network = keras.Sequential(
            [
                keras.Input((784,)),
                keras.layers.Rescaling(1 / 255, dtype=policy),
                keras.layers.Dense(64, "relu", dtype=policy),
                keras.layers.Dense(3, dtype="float32"),
            ]
        )
        term = tpl.VirtualAdversarial(76.0, seed=1)
        model = model_of(network, unlabeled_loss=term)
        labels = np.arange(64) % 3
        return float(mean(term, passed(model, (x, labels), (x,))))

    assert loss(policy) == pytest.approx(loss("float32"), rel=0.2)
