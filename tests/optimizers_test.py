import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel import ScheduledMomentum, optimizers

START = np.array([1.0, -2.0], "float32")
GRADIENTS = np.array([[0.5, 1.0], [-1.0, 2.0], [0.25, 0.0]], "float32")


def _walk(optimizer, gradients=GRADIENTS):
    """Where each update takes the weights."""
    variable = keras.Variable(START)
    places = []
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient)], [variable])
        places.append(variable.numpy())
    return places


def _by_hand(rates, momenta):
    """Equations 10 and 11, written out."""
    weight, step, places = START.copy(), np.zeros(2), []
    for gradient, rate, p in zip(GRADIENTS, rates, momenta, strict=True):
        step = p * step - (1 - p) * rate * gradient
        weight = weight + step
        places.append(weight)
    return places


def test_three_updates_by_hand():
    places = _walk(ScheduledMomentum(learning_rate=1.5, momentum=0.5))

    # step: -0.375, -0.75; then 0.5625, -1.875; then 0.09375, -0.9375
    np.testing.assert_allclose(
        places, [[0.625, -2.75], [1.1875, -4.625], [1.28125, -5.5625]]
    )


def test_lees_schedules_change_rate_and_momentum_with_the_epochs():
    # Two updates an epoch; four of them until the final momentum.
    optimizer = optimizers.lee2013(
        2, learning_rate=1.5, decay=0.998, momentum_epochs=2
    )
    rates = [1.5, 1.5, 1.5 * 0.998]
    momenta = [0.5, 0.5 + 0.49 / 4, 0.5 + 0.49 / 2]

    np.testing.assert_allclose(
        _walk(optimizer), _by_hand(rates, momenta), rtol=1e-6
    )


def test_momentum_rises_to_its_end_and_stays():
    momentum = optimizers.lee2013(10).momentum

    for epoch, expected in ((0, 0.5), (250, 0.745), (500, 0.99), (900, 0.99)):
        assert float(momentum(10 * epoch)) == pytest.approx(expected)


def test_published_values_are_the_defaults():
    optimizer = optimizers.lee2013(steps_per_epoch=4)
    schedule = optimizer._learning_rate

    assert float(schedule(0)) == 1.5
    assert float(schedule(3)) == 1.5
    found = float(schedule(4 * 600))
    assert found == pytest.approx(1.5 * 0.998**600, rel=1e-4)


def test_without_momentum_it_is_gradient_descent():
    expected = _walk(keras.optimizers.SGD(0.3))

    np.testing.assert_allclose(
        _walk(ScheduledMomentum(0.3, momentum=0)), expected, rtol=1e-6
    )


def test_constant_gradient_moves_by_the_rate_whatever_the_momentum():
    """The factor 1 - p: steps grow to the rate and no further."""
    places = _walk(ScheduledMomentum(0.1, momentum=0.9), np.ones([300, 2]))

    np.testing.assert_allclose(places[-1] - places[-2], -0.1, rtol=1e-4)


def test_two_replicas_move_like_one(two_replicas):
    x = np.arange(8, dtype="float32").reshape(4, 2) / 8
    weights = []
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        with strategy.scope():
            model = keras.Sequential(
                [
                    keras.Input((2,)),
                    keras.layers.Dense(1, bias_initializer="ones"),
                ]
            )
            model.compile(optimizers.lee2013(2, momentum_epochs=2), "mse")
        model.set_weights([np.ones((2, 1)), np.ones(1)])
        model.fit(x, -x[:, :1], batch_size=4, epochs=5, verbose=0)
        weights.append(model.get_weights())

    for one, two in zip(*weights, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5)


@pytest.mark.parametrize("momentum", [0.7, "schedule"])
def test_saved_with_a_model_and_gone_on_with(momentum, tmp_path):
    if momentum == "schedule":
        momentum = keras.optimizers.schedules.PolynomialDecay(0.5, 10, 0.9)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(ScheduledMomentum(0.01, momentum), "mse")
    x, y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
    model.fit(x, y, epochs=3, verbose=0)
    model.save(tmp_path / "model.keras")

    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for each in (model, loaded):
        each.fit(x, y, epochs=2, verbose=0)

    assert int(loaded.optimizer.iterations) == 5
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, float("nan")])
def test_momentum_outside_its_range(momentum):
    with pytest.raises(ValueError, match=r"\[0, 1\); got"):
        ScheduledMomentum(momentum=momentum)
