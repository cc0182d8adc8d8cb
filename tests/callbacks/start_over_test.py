import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4)).astype("float32")
Y = np.array([0, 1, 2, 0, 1, 2])
X_U = RNG.normal(size=(12, 4)).astype("float32")
KERNEL = RNG.normal(size=(4, 3)).astype("float32")


def _compiled(optimizer, teacher="lagged", units=3):
    classifier = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(units, use_bias=False)]
    )
    classifier.set_weights([np.resize(KERNEL, (4, units))])
    model = tpl.PseudoLabelModel(classifier, teacher=teacher)
    model.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
    )
    return model


def _fit(model, epochs, *callbacks, **kwargs):
    streams = tpl.merge_streams(
        tf.data.Dataset.from_tensors((X, Y)).repeat(2),
        tf.data.Dataset.from_tensor_slices(X_U).batch(6),
    )
    model.fit(streams, epochs=epochs, verbose=0, callbacks=callbacks, **kwargs)


def _averaged_kernel(epochs, *callbacks):
    """The average of the weights after some epochs."""
    classifier = _compiled("sgd").classifier
    model = tpl.PseudoLabelModel(
        classifier, teacher="lagged", average=tpl.Averaged(0.9)
    )
    model.compile(
        keras.optimizers.SGD(0.1, 0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
    )
    _fit(model, epochs, *callbacks)
    with model.evaluated():
        return classifier.get_weights()[0]


def test_the_average_of_a_round_is_of_that_round():
    of_two_rounds = _averaged_kernel(6, tpl.StartOver(every=3, epochs=6))

    expected = _averaged_kernel(3)
    assert np.abs(expected - KERNEL).max() > 0.01
    np.testing.assert_allclose(of_two_rounds, expected, rtol=1e-5)


def test_second_round_is_the_first_one_again():
    """Momentum and iterations included; alpha is 0, so labels are the same."""
    weights = []
    for epochs in (3, 6):
        optimizer = tpl.ScheduledMomentum(
            keras.optimizers.schedules.ExponentialDecay(0.3, 2, 0.5), 0.9
        )
        model = _compiled(optimizer)
        _fit(model, epochs, tpl.StartOver(every=3, epochs=epochs))
        weights.append(model.classifier.get_weights()[0])

    np.testing.assert_array_equal(*weights)
    assert np.abs(weights[0] - KERNEL).max() > 0.01


def test_the_last_round_stays():
    model = _compiled(keras.optimizers.SGD(0.1))
    _fit(model, 2, tpl.StartOver(every=2, epochs=2))

    assert np.abs(model.classifier.get_weights()[0] - KERNEL).max() > 1e-3


def test_learning_rate_moved_by_others_starts_over_too():
    model = _compiled(keras.optimizers.SGD(0.1))
    drop = keras.callbacks.LearningRateScheduler(
        lambda epoch, rate: rate / 2 if epoch % 2 else rate
    )
    rates = []
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append(
            float(model.optimizer.learning_rate)
        )
    )
    _fit(model, 4, drop, look, tpl.StartOver(every=2, epochs=4))

    np.testing.assert_allclose(rates, [0.1, 0.05, 0.1, 0.05])


def test_several_fits_remember_the_first_start():
    """As a run that goes on has them."""
    model = _compiled(keras.optimizers.SGD(0.1))
    start_over = tpl.StartOver(every=2, epochs=4)
    _fit(model, 1, start_over)
    _fit(model, 2, start_over, initial_epoch=1)

    np.testing.assert_array_equal(model.classifier.get_weights()[0], KERNEL)


def test_a_start_that_was_not_seen_is_said():
    model = _compiled(keras.optimizers.SGD(0.1))
    _fit(model, 1, tpl.StartOver(every=2, epochs=4))
    with pytest.warns(UserWarning, match="after .* updates, as training goes"):
        _fit(model, 2, tpl.StartOver(every=2, epochs=4), initial_epoch=1)


@pytest.mark.parametrize("units", [3, 4])
def test_another_model_starts_over_at_its_own_start(units):
    start_over = tpl.StartOver(every=1, epochs=2)
    _fit(_compiled(keras.optimizers.SGD(0.1)), 1, start_over)
    other = _compiled(keras.optimizers.SGD(0.1), units=units)
    before = 2 * RNG.normal(size=(4, units)).astype("float32")
    other.classifier.set_weights([before])
    _fit(other, 1, start_over)

    np.testing.assert_array_equal(other.classifier.get_weights()[0], before)


def test_self_training_by_hand():
    """Train on labels, label everything once, train anew on both."""
    model = _compiled(keras.optimizers.SGD(0.5), tpl.Lagged(every=2))
    _fit(
        model,
        4,
        tpl.AlphaScheduler(tpl.LinearRamp(t1=2, t2=2, alpha_f=0.7)),
        tpl.StartOver(every=2, epochs=4),
    )

    def gradient(kernel, x, y):
        exponentials = np.exp(x @ kernel)
        outputs = exponentials / exponentials.sum(axis=1, keepdims=True)
        return x.T @ (outputs - np.eye(3)[y]) / len(x)

    kernel = KERNEL.astype("float64")
    for _ in range(4):
        kernel -= 0.5 * gradient(kernel, X, Y)
    labels = (X_U @ kernel).argmax(axis=1)
    kernel = KERNEL.astype("float64")
    for update in range(4):
        rows = slice(0, 6) if update % 2 == 0 else slice(6, 12)
        kernel -= 0.5 * (
            gradient(kernel, X, Y)
            + 0.7 * gradient(kernel, X_U[rows], labels[rows])
        )
    np.testing.assert_allclose(
        model.classifier.get_weights()[0], kernel, rtol=1e-4
    )


def test_rounds_have_epochs():
    with pytest.raises(ValueError, match="at least 1; got 0"):
        tpl.StartOver(every=0, epochs=4)
