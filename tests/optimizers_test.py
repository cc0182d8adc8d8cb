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


# A learning rate for each weight.

SCALES = [0.1, 1.0]


def _two_weights():
    return [keras.Variable(START), keras.Variable(START[::-1].copy())]


def _both(optimizer, scales=None, updates=3):
    """Where updates take two weights; without scales, each with its own."""
    weights = _two_weights()
    if scales is not None:
        optimizer = optimizers.scaled(optimizer, scales)
    for gradient in GRADIENTS[:updates]:
        optimizer.apply([tf.constant(gradient)] * 2, weights)
    return [weight.numpy() for weight in weights]


def test_scaled_momentum_in_numpy():
    """`m = 0.9 m - scale rate g; w += m`, with a rate that falls."""
    schedule = optimizers.decaying(0.3, 0.5, steps_per_epoch=1)
    found = _both(keras.optimizers.SGD(schedule, momentum=0.9), SCALES)

    for weight, scale, start in zip(
        found, SCALES, (START, START[::-1]), strict=True
    ):
        expected, step = start.copy(), np.zeros(2)
        for update, gradient in enumerate(GRADIENTS):
            step = 0.9 * step - scale * 0.3 * 0.5**update * gradient
            expected = expected + step
        np.testing.assert_allclose(weight, expected, rtol=1e-6)


def test_scaled_adamw_in_numpy():
    """The update is scaled, the decay of weights is not."""
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.1)
    found = _both(optimizer, SCALES)

    for weight, scale, start in zip(
        found, SCALES, (START, START[::-1]), strict=True
    ):
        expected, m, v = start.astype("float64"), 0.0, 0.0
        for t, g in enumerate(GRADIENTS.astype("float64"), start=1):
            expected = expected * (1 - 0.1 * 0.01)
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            rate = scale * 0.01 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            expected = expected - rate * m / (np.sqrt(v) + 1e-7)
        np.testing.assert_allclose(weight, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda rate: keras.optimizers.SGD(rate, momentum=0.5),
        lambda rate: keras.optimizers.Adam(rate),
        lambda rate: keras.optimizers.RMSprop(rate),
        lambda rate: keras.optimizers.Nadam(rate),
        lambda rate: ScheduledMomentum(rate, 0.5),
    ],
)
def test_a_scaled_weight_moves_as_with_an_optimizer_of_that_rate(make):
    slow, fast = _both(make(0.2), SCALES)
    np.testing.assert_allclose(slow, _both(make(0.02))[0], rtol=1e-5)
    np.testing.assert_allclose(fast, _both(make(0.2))[1], rtol=1e-5)


def test_scales_go_with_the_rate_that_is_set_while_it_trains():
    optimizer = optimizers.scaled(keras.optimizers.SGD(0.5), SCALES)
    weights = _two_weights()
    optimizer.build(weights)
    optimizer.learning_rate = 2.0
    optimizer.apply([tf.ones(2)] * 2, weights)
    np.testing.assert_allclose(weights[0], START - 0.2, rtol=1e-6)
    np.testing.assert_allclose(weights[1], START[::-1] - 2.0, rtol=1e-6)


def test_a_scale_for_each_weight():
    with pytest.raises(ValueError, match="got 3 for 2 weights"):
        _both(keras.optimizers.SGD(0.1), [1.0, 1.0, 1.0])


def _scaled_model(scales=(0.25, 1.0)):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizers.scaled(keras.optimizers.Adam(0.1), scales), "mse")
    return model


def test_scales_are_saved_and_training_goes_on(tmp_path):
    model = _scaled_model()
    x, y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
    model.fit(x, y, epochs=3, verbose=0)
    model.save(tmp_path / "model.keras")
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    place = checkpoint.save(tmp_path / "checkpoint")

    loaded = keras.saving.load_model(tmp_path / "model.keras")
    restored = _scaled_model()
    restored.optimizer.build(restored.trainable_variables)
    tf.train.Checkpoint(model=restored, optimizer=restored.optimizer).restore(
        place
    ).assert_consumed()
    for each in (model, loaded, restored):
        each.fit(x, y, epochs=2, verbose=0)

    assert loaded.optimizer.scales == (0.25, 1.0)
    for other in (loaded, restored):
        for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_scales_on_two_replicas(two_replicas):
    x, y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
    alone = _scaled_model()
    with two_replicas.scope():
        together = _scaled_model()
    for model in (alone, together):
        model.fit(x, y, epochs=3, batch_size=4, verbose=0)
    for a, b in zip(alone.get_weights(), together.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_a_loss_scale_is_not_scaled():
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD())
    with pytest.raises(ValueError, match="got a LossScaleOptimizer"):
        optimizers.scaled(optimizer, [1.0])


def test_scales_keep_what_is_left_out_of_weight_decay():
    optimizer = keras.optimizers.SGD(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer = optimizers.scaled(optimizer, [1.0, 1.0])
    weights = [keras.Variable([1.0], name=name) for name in ("kernel", "bias")]

    optimizer.apply([tf.zeros([1])] * 2, weights)

    assert [float(w[0]) for w in weights] == [pytest.approx(0.95), 1.0]


def test_scales_of_scales_are_refused():
    once = optimizers.scaled(keras.optimizers.Adam(), [1.0])
    with pytest.raises(ValueError, match="has scales already; got ScaledAdam"):
        optimizers.scaled(once, [1.0])


@pytest.mark.parametrize(
    "name", ["Nadam", "Adamax", "Lion", "Adadelta", "Adagrad", "Ftrl"]
)
def test_every_optimizer_of_keras_is_known_where_none_was_made(name):
    """As in a new process; see the module."""
    known = keras.saving.get_registered_object(f"tf_pseudolabel>Scaled{name}")
    assert issubclass(known, getattr(keras.optimizers, name))
