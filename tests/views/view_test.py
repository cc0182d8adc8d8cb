import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.contexts import (
    X_U,
    X,
    context_of,
    model_of,
    passed,
    softmax,
    streams,
)
from tf_pseudolabel import Views
from tf_pseudolabel.views import Chain, Draws, View


class Noise(View):
    def __init__(self, scale):
        self.scale = scale

    def __call__(self, x, draws):
        return x + self.scale * draws.uniform(x.shape[1], low=-1.0)

    def get_config(self):
        return {"scale": self.scale}


def _draws():
    return Draws([1, 0], 0, 0, 3, 3)


def test_a_chain_draws_anew_for_each_view():
    x = tf.zeros([3, 2])

    chain = Chain([Noise(1.0), Noise(10.0)])

    draws = _draws()
    expected = draws.uniform(2, low=-1.0) + 10 * draws.uniform(2, low=-1.0)
    np.testing.assert_allclose(chain(x, _draws()), expected, rtol=1e-6)
    made = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(chain)
    )
    np.testing.assert_array_equal(made(x, _draws()), chain(x, _draws()))


def test_a_view_without_call_is_said():
    with pytest.raises(TypeError, match="View must define __call__"):
        View()(X, None)


def _fitted(path=None, epochs=2, first=0, seed=4, model=None):
    keras.utils.set_random_seed(0)
    if model is None:
        views = Views(Noise(0.5), Chain([Noise(2.0)]), seed=seed)
        model = model_of(views=views)
    model.fit(
        streams(batch=4, batch_u=6),
        epochs=epochs,
        initial_epoch=first,
        verbose=0,
    )
    if path is not None:
        model.save(path)
    return model


@pytest.mark.parametrize("seed", [4, None])
def test_a_run_that_goes_on_sees_what_it_would_have_seen(tmp_path, seed):
    whole = _fitted(epochs=3, seed=seed)
    _fitted(tmp_path / "m.keras", epochs=1, seed=seed)
    again = keras.saving.load_model(tmp_path / "m.keras")

    _fitted(epochs=3, first=1, model=again)

    for a, b in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_update_and_side_sees_another_view():
    views = Views(Noise(0.5), Noise(2.0), seed=4)
    model_of(views=views)
    places = 0, len(X_U), len(X_U)
    first = [views.labeled(X, (0, 8, 8)), *views.unlabeled(X_U, places)]
    again = [views.labeled(X, (0, 8, 8)), *views.unlabeled(X_U, places)]
    views.after_update(None)
    later = [views.labeled(X, (0, 8, 8)), *views.unlabeled(X_U, places)]

    for a, b, c in zip(first, again, later, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.abs(a - c).min() > 0
    assert np.abs((first[1] - X_U) / 0.5 - (first[2] - X_U) / 2).max() > 0.1


@pytest.mark.parametrize("sizes", [(4, 6), (3, 5)])
def test_replicas_see_what_one_device_sees(two_replicas, sizes):
    def trained():
        views = Views(Noise(0.5), Noise(2.0), seed=4)
        return model_of(views=views)

    one = trained()
    with two_replicas.scope():
        two = trained()
    for model in (one, two):
        merged = streams(batch=sizes[0], batch_u=sizes[1])
        model.fit(merged, epochs=2, verbose=0)

    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_copies_of_a_row_have_views_of_their_own_and_one_belief():
    views = Views(Noise(0.5), copies=3, seed=1)
    model = model_of(views=views)
    context = context_of(model, unlabeled=(X_U, np.arange(12) % 3))
    noise = np.asarray(context.unlabeled.x).reshape(12, 3, 4) - X_U[:, None]
    assert 0 < np.abs(noise).max() <= 0.5
    assert np.abs(noise[:, 0] - noise[:, 1]).min() > 0

    context = passed(model, unlabeled=(X_U, np.arange(12) % 3))

    scores = model.classifier(context.unlabeled.x).numpy()
    p = softmax(scores).reshape(12, 3, 3)
    found = np.asarray(context.beliefs.raw).reshape(12, 3, 3)
    for copy in range(3):
        np.testing.assert_allclose(found[:, copy], p.mean(1), rtol=1e-5)
    ids = np.asarray(context.beliefs.ids).reshape(12, 3)
    said = p.mean(1).argmax(1)
    np.testing.assert_array_equal(ids.T, [said] * 3)
    hidden = np.asarray(context.unlabeled.y).reshape(12, 3)
    np.testing.assert_array_equal(hidden.T, [np.arange(12) % 3] * 3)


def test_fewer_than_one_copy_is_refused():
    with pytest.raises(ValueError, match="`copies` counts views of a row"):
        Views(copies=0)
