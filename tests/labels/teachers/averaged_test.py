import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import (
    X_U,
    X,
    Y,
    context_of,
    eager_updates,
    linear,
    model_of,
    normalizing,
    passed,
    streams,
)


def _fit(model, epochs=1, **kwargs):
    """Three updates an epoch."""
    return model.fit(streams(batch_u=4), epochs=epochs, verbose=0, **kwargs)


def _averages(model, part):
    with part.in_place(model.classifier):
        return [w.numpy() for w in model.classifier.trainable_weights]


class Course(keras.callbacks.Callback):
    """What the weights were before training and after every update."""

    def on_train_begin(self, logs=None):
        self.weights = [self.model.classifier.get_weights()]

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(self.model.classifier.get_weights())


@pytest.mark.parametrize("decay", [0.9, 0.6, 0.0])
def test_the_average_follows_fast_at_first(decay):
    model, course = model_of(teacher=tpl.Averaged(decay)), Course()
    _fit(model, 3, callbacks=[course])

    first, *others = course.weights
    expected = first
    for number, weights in enumerate(others, start=1):
        d = min(decay, 1 - 1 / (number + 1))
        expected = [
            d * a + (1 - d) * w for a, w in zip(expected, weights, strict=True)
        ]
    found = _averages(model, model.teacher)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_the_teacher_is_the_average_and_receives_no_gradient():
    model = model_of(teacher=tpl.Averaged(0.9))
    for copy in model.teacher.weights[: len(model.classifier.weights)]:
        copy.assign(copy * 0 + 0.3)
    context = passed(model)

    np.testing.assert_allclose(
        context.beliefs.scores,
        X_U.sum(1, keepdims=True) * 0.3 + 0.3 + np.zeros(3),
        rtol=1e-5,
    )
    with tf.GradientTape() as tape:
        context = passed(model)
        said = tf.reduce_sum(context.beliefs.scores)
    copies = [copy.value for copy in model.teacher.weights]
    assert tape.gradient(said, copies) == [None] * len(copies)


def test_it_has_noise_of_its_own():
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5)])
    model = model_of(
        network,
        loss=keras.losses.MeanSquaredError(),
        teacher=tpl.Averaged(),
        batch_norm="separate",
    )
    context = passed(model, labeled=(X, X), like=X)

    dropped = np.asarray(context.beliefs.scores) == 0
    student = np.asarray(context.scores_u) == 0
    assert 0.2 < dropped.mean() < 0.8
    assert (dropped != student).mean() > 0.2


def test_statistics_of_batch_normalization_are_the_networks_own():
    model = model_of(normalizing(), teacher=tpl.Averaged(0.5))
    _fit(model, 2)
    normalization = model.classifier.layers[0]
    assert len(model.teacher.weights) == 4 + 1
    normalization.moving_mean.assign(np.full(4, 7.0))

    said = model.teacher.label(model.classifier, tf.constant(X_U))

    with model.teacher.in_place(model.classifier):
        np.testing.assert_allclose(
            said, model.classifier(X_U, training=False), rtol=1e-5
        )
        assert float(normalization.moving_mean[0]) == 7.0


def test_a_pass_of_the_teacher_moves_no_statistics():
    model = model_of(normalizing(), teacher=tpl.Averaged(0.5))
    before = [w.numpy() for w in model.classifier.non_trainable_weights]
    model.teacher.scores(context_of(model))

    for a, b in zip(
        before, model.classifier.non_trainable_weights, strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "choices",
    [
        lambda: {"average": tpl.Averaged(0.7)},
        lambda: {"teacher": tpl.Averaged(0.7), "average": "teacher"},
    ],
)
def test_the_average_is_evaluated_predicted_and_exported(choices, tmp_path):
    model = model_of(**choices())
    model.compile(model.optimizer, model.loss, metrics=["accuracy"])
    _fit(model, 3)
    with model.evaluated() as classifier:
        expected = classifier.predict(X, verbose=0)
        weights = classifier.get_weights()
    live = model.classifier.predict(X, verbose=0)
    assert np.abs(expected - live).max() > 1e-3

    np.testing.assert_allclose(model.predict(X, verbose=0), expected, rtol=1e-5)
    accuracy = model.evaluate(X, Y, verbose=0, return_dict=True)["accuracy"]
    assert accuracy == pytest.approx((expected.argmax(1) == Y).mean())
    model.export(tmp_path / "m", verbose=False)
    served = tf.saved_model.load(tmp_path / "m")
    np.testing.assert_allclose(served.serve(X), expected, rtol=1e-5)
    for a, b in zip(live, model.classifier.predict(X, verbose=0), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(weights, model.classifier.get_weights(), strict=True):
        assert np.abs(a - b).max() > 0


def test_what_fails_meanwhile_leaves_the_weights_as_they_were():
    model = model_of(average=tpl.Averaged(0.7))
    _fit(model)
    before = model.classifier.get_weights()
    with pytest.raises(OSError), model.evaluated():
        raise OSError

    for a, b in zip(before, model.classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_without_one_the_classifier_itself_is_evaluated():
    model = model_of()

    with model.evaluated() as classifier:
        assert classifier is model.classifier


def test_replicas_average_alike(two_replicas):
    one = model_of(teacher=tpl.Averaged(0.8))
    with two_replicas.scope():
        two = model_of(teacher=tpl.Averaged(0.8))
    for model in (one, two):
        _fit(model, 2)

    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_second_fit_goes_on_with_the_average():
    whole, parts = (model_of(teacher=tpl.Averaged(0.8)) for _ in range(2))
    _fit(whole, 2)
    _fit(parts)
    _fit(parts, 2, initial_epoch=1)

    for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("choice", ["teacher", "average"])
def test_layers_are_frozen_at_first_and_trained_then(choice):
    keras.utils.set_random_seed(0)
    base = keras.layers.Dense(5, trainable=False)
    head = keras.layers.Dense(3)
    network = keras.Sequential([keras.Input((4,)), base, head])
    average, course = tpl.Averaged(0.8), Course()
    model = model_of(network, **{choice: average})
    at_first = base.get_weights()
    _fit(model, callbacks=[course])
    with average.in_place(network):
        for a, b in zip(base.get_weights(), at_first, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)

    base.trainable = True
    model.compile(keras.optimizers.SGD(0.5), model.loss)
    more = Course()
    _fit(model, callbacks=[more])

    expected, *others = [*course.weights, *more.weights[1:]]
    for number, weights in enumerate(others, start=1):
        d = min(0.8, 1 - 1 / (number + 1))
        expected = [
            d * a + (1 - d) * w for a, w in zip(expected, weights, strict=True)
        ]
    found = _averages(model, average)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert np.abs(at_first[0] - base.get_weights()[0]).max() > 1e-3


def test_in_eager_updates_it_is_the_same():
    graph, eager = (model_of(teacher=tpl.Averaged(0.8)) for _ in range(2))
    _fit(graph)
    eager_updates(eager, streams(batch_u=4))

    for a, b in zip(graph.get_weights(), eager.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_wrong_choices_are_refused():
    for decay in (1.0, -0.1):
        with pytest.raises(ValueError, match=r"`decay` is the share .* \[0, 1"):
            tpl.Averaged(decay)
    with pytest.raises(ValueError, match="instance of Averaged such as"):
        tpl.PseudoLabelModel(linear(), average="teacher")
    with pytest.raises(ValueError, match=r"got 0\.9"):
        tpl.PseudoLabelModel(linear(), average=0.9)


@pytest.mark.parametrize(
    "score",
    [
        lambda model: model.predict(X, verbose=0),
        lambda model: model(X).numpy(),
        lambda model: model.predict_on_batch(X),
    ],
    ids=["predict", "call", "predict_on_batch"],
)
def test_before_any_update_the_average_is_the_weights_as_they_are(score):
    model = model_of(average=tpl.Averaged(0.9))
    model.predict(X, verbose=0)
    rng = np.random.default_rng(0)
    loaded = [rng.normal(size=w.shape) for w in model.classifier.get_weights()]
    model.classifier.set_weights(loaded)

    np.testing.assert_allclose(
        score(model), X @ loaded[0] + loaded[1], rtol=1e-4, atol=1e-5
    )
    with model.evaluated() as classifier:
        for a, b in zip(classifier.get_weights(), loaded, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


def test_evaluation_takes_weights_that_were_loaded():
    model = model_of(average=tpl.Averaged(0.9))
    model.evaluate(X, Y, verbose=0)
    model.classifier.set_weights([np.zeros((4, 3)), np.zeros(3)])

    assert model.evaluate(X, Y, verbose=0) == pytest.approx(np.log(3), rel=1e-5)
