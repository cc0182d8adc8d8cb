import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import (
    X_U,
    X,
    Y,
    linear,
    model_of,
    normalizing,
    passed,
    streams,
)
from tf_pseudolabel.part import Progress

RNG = np.random.default_rng(0)
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
NETWORKS = [linear, normalizing]


def _model(new=linear, teacher="lagged", optimizer=None):
    model = model_of(new(), teacher=teacher, batch_norm="separate")
    if optimizer is not None:
        model.compile(optimizer, LOSS)
    return model


def _fit(model, epochs=1, **kwargs):
    """Three updates an epoch."""
    return model.fit(streams(batch_u=4), epochs=epochs, verbose=0, **kwargs)


def _said(model):
    return model.teacher.label(model.classifier, tf.constant(X_U)).numpy()


def _begin(model, epoch=0):
    model.teacher.begin(Progress(model.classifier, epoch))


def _end(model, epoch):
    model.teacher.end_epoch(Progress(model.classifier, epoch))


def _now(model):
    return model.classifier(X_U, training=False).numpy()


def _shake(classifier):
    """Other weights, and other statistics of batch normalization."""
    for variable in classifier.weights:
        variable.assign(RNG.uniform(0.5, 2.0, size=variable.shape))


def _assert_same(model, other, **tolerance):
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, **{"rtol": 0, **tolerance})


# The network as it was.


@pytest.mark.parametrize("new", NETWORKS)
@pytest.mark.parametrize("traced", [False, True])
def test_scores_are_those_of_the_copied_weights(new, traced):
    model = _model(new)
    _shake(model.classifier)
    _begin(model)
    expected = _now(model)
    _shake(model.classifier)
    moved = model.classifier.get_weights()

    def scores():
        return model.teacher.label(model.classifier, tf.constant(X_U))

    found = tf.function(scores)() if traced else scores()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.abs(found - _now(model)).max() > 0.1
    # The pass leaves the weights as they were.
    for a, b in zip(moved, model.classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)

    _end(model, 0)
    np.testing.assert_allclose(scores(), _now(model), rtol=1e-6)


def test_an_update_believes_it():
    model = _model()
    _begin(model)
    expected = _now(model)
    _shake(model.classifier)
    context = passed(model)

    np.testing.assert_allclose(context.beliefs.scores, expected, rtol=1e-6)
    np.testing.assert_allclose(context.scores_u, _now(model), rtol=1e-6)
    np.testing.assert_array_equal(model.label(X_U).ids, context.beliefs.ids)


def test_dropout_is_off():
    classifier = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dropout(0.5)]
    )
    model = model_of(classifier, teacher="lagged")
    _begin(model)

    np.testing.assert_array_equal(_said(model), X_U)


def test_the_copies_are_not_trained():
    model = _model()

    assert len(model.trainable_weights) == 2
    # The copies, whether they are filled, alpha, and the updates' number.
    assert len(model.non_trainable_weights) == 2 + 1 + 1 + 1


# When it is copied.


@pytest.mark.parametrize(
    ("every", "copied"),
    [(1, [0, 1, 2, 3, 4, 5]), (2, [1, 3, 5]), (3, [2, 5]), (100, [])],
)
def test_labels_are_made_every_few_epochs(every, copied):
    model = _model(teacher=tpl.Lagged(every))
    _begin(model)
    expected = _now(model)
    for epoch in range(6):
        np.testing.assert_allclose(_said(model), expected, rtol=1e-6)
        _shake(model.classifier)
        np.testing.assert_allclose(_said(model), expected, rtol=1e-6)
        _end(model, epoch)
        if epoch in copied:
            expected = _now(model)


def test_a_fit_that_begins_anew_takes_the_weights_at_hand():
    model = _model()
    _begin(model)
    _shake(model.classifier)
    _begin(model)

    np.testing.assert_allclose(_said(model), _now(model), rtol=1e-6)


def test_a_fit_that_goes_on_keeps_the_labels_it_has():
    """As the rest of an interrupted run has it."""
    model = _model()
    _begin(model)
    before = _now(model)
    _shake(model.classifier)
    _begin(model, epoch=3)

    np.testing.assert_allclose(_said(model), before, rtol=1e-6)
    # One that has none, such as one whose classifier alone was loaded.
    model = _model()
    _begin(model, epoch=3)
    np.testing.assert_allclose(_said(model), _now(model), rtol=1e-6)


@pytest.mark.parametrize("every", [0, -1, 0.5])
def test_labels_last_an_epoch_at_least(every):
    with pytest.raises(ValueError, match=f"at least 1; got {every}"):
        tpl.Lagged(every)


# Training with it.


def _trained_in_passes(new, epochs):
    """Labels all rows once per epoch with `predict`, then trains on them."""
    classifier = new()
    optimizer = keras.optimizers.SGD(0.5)
    for _ in range(epochs):
        labels = classifier.predict(X_U, verbose=0).argmax(axis=-1)
        for start in range(0, len(X_U), 4):
            rows = slice(start, start + 4)
            with tf.GradientTape() as tape:
                loss = LOSS(Y, classifier(X, training=True))
                loss += LOSS(labels[rows], classifier(X_U[rows], training=True))
            weights = classifier.trainable_weights
            optimizer.apply(tape.gradient(loss, weights), weights)
    return classifier


def test_it_equals_one_inference_pass_before_every_epoch():
    """Other callbacks of an epoch's end see the new teacher already.

    What they save is what the next epoch begins with.
    """
    same = []

    def compare(epoch, logs):
        same.append(np.allclose(_said(model), _now(model), atol=1e-5))

    model = _model(normalizing)
    look = keras.callbacks.LambdaCallback(on_epoch_end=compare)
    _fit(model, epochs=3, callbacks=[look])

    _assert_same(
        model.classifier, _trained_in_passes(normalizing, 3), atol=1e-6
    )
    assert same == [True] * 3
    # Labels made anew at every update are others.
    anew = _model(normalizing, teacher="inference")
    _fit(anew, epochs=3)
    with pytest.raises(AssertionError):
        _assert_same(model.classifier, anew.classifier, atol=1e-3)


# Saving.


def _shaken_within_an_epoch(new=normalizing):
    """Copies that are not the network any more."""
    model = _model(new, tpl.Lagged(4))
    _shake(model.classifier)
    _begin(model)
    _shake(model.classifier)
    assert np.abs(_said(model) - _now(model)).max() > 0.1
    return model


def test_saved_within_an_epoch_the_teacher_stays_as_it_was(tmp_path):
    model = _shaken_within_an_epoch()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert type(loaded.teacher) is tpl.Lagged
    assert loaded.teacher.every == 4
    _assert_same(loaded, model)
    np.testing.assert_allclose(_said(loaded), _said(model), rtol=1e-6)


def test_weights_loaded_into_a_new_model_bring_the_copies(tmp_path):
    """And training that goes on keeps them."""
    model = _shaken_within_an_epoch()
    model.save_weights(tmp_path / "model.weights.h5")
    anew = _model(normalizing, tpl.Lagged(4))
    anew.load_weights(tmp_path / "model.weights.h5")
    _begin(anew, epoch=1)

    np.testing.assert_allclose(_said(anew), _said(model), rtol=1e-6)


def test_loaded_between_epochs_it_trains_as_if_never_saved(tmp_path):
    def new():
        return _model(normalizing, tpl.Lagged(2), keras.optimizers.Adam(0.3))

    uninterrupted, model = new(), new()
    _fit(uninterrupted, epochs=4)
    _fit(model, epochs=1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    _fit(loaded, initial_epoch=1, epochs=4)

    _assert_same(loaded, uninterrupted)


def test_before_any_fit_it_is_the_network_as_it_is():
    model = _model()
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    for number in range(2):
        model.classifier.set_weights(
            [
                np.full(w.shape, number) + np.arange(w.shape[-1])
                for w in model.classifier.get_weights()
            ]
        )
        expected = model.classifier(x).numpy().argmax(axis=-1)
        np.testing.assert_array_equal(model.label(x).ids, expected)
