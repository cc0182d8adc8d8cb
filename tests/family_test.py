"""What every preset must do: the contract table of the family.

Losses are held to the papers in presets_test.py, states in the tests of parts.
Here whole models are trained: on replicas, after a save and a load, compiled by
XLA, in half precision, with masks, and where no row counts.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import CLASSES, ONE_HOT, X_U, Y_U, X, Y
from tf_pseudolabel.views import View, Viewed

pytestmark = pytest.mark.slow
LOSS = keras.losses.CategoricalCrossentropy(from_logits=True)


class Shaken(View):
    """Rows with noise of their own."""

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, x, draws):
        noise = draws.uniform(x.shape[1], low=-1.0)
        return x + tf.cast(self.scale * noise, x.dtype)

    def get_config(self):
        return {"scale": self.scale}


def _preset(name):
    preset = tpl.presets.PRESETS[name](epochs=4)
    if preset.views is not None:
        student = preset.views.get("student_view", "strong")
        seen = {"strong": Shaken(0.5), "weak": Shaken(0.1), "same": None}
        views = tpl.Views(
            Shaken(0.1), seen[student], preset.views.get("copies", 1), seed=1
        )
        preset = tpl.presets.PRESETS[name](epochs=4, views=views)
    if name == "flexmatch":
        preset.model["selection"] = tpl.Curriculum(0.4, len(X_U))
    if name == "vat":
        term = tpl.VirtualAdversarial(1.0, seed=1)
        preset.model["unlabeled_loss"] = term
    return preset


def _model(name, **compiled):
    keras.utils.set_random_seed(1)
    network = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(CLASSES, dtype="float32"),
        ]
    )
    model = tpl.PseudoLabelModel(network, **_preset(name).model)
    model.compile(keras.optimizers.SGD(0.05), LOSS, **compiled)
    model.alpha.assign(1.0)
    return model


def _streams(batch=4, batch_u=6):
    labeled = tf.data.Dataset.from_tensor_slices((X, ONE_HOT[Y]))
    unlabeled = tf.data.Dataset.from_tensor_slices((X_U, Y_U)).enumerate()
    unlabeled = unlabeled.batch(batch_u, drop_remainder=True).map(
        lambda i, row: (Viewed(row[0], index=i), row[1])
    )
    return tpl.merge_streams(
        labeled.batch(batch, drop_remainder=True), unlabeled
    )


def _fit(model, epochs=2, **kwargs):
    return model.fit(_streams(), epochs=epochs, verbose=0, **kwargs).history


def _assert_alike(model, other, **tolerance):
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, **{"atol": 1e-5, **tolerance})


PRESETS = list(tpl.presets.PRESETS)
# Replicas mix their own rows, by shares of their own.
MIXED = ("arazo2020", "ict", "mixmatch", "remixmatch")


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_logged_is_finite_and_labels_stay_hidden(name):
    model, blind = _model(name), _model(name)
    logs = _fit(model)

    for values in logs.values():
        assert np.isfinite(values).all()
    blind.fit(
        _streams().map(lambda labeled, u: (labeled, (u[0],))),
        epochs=2,
        verbose=0,
    )
    _assert_alike(model, blind, atol=0)


@pytest.mark.parametrize("name", [n for n in PRESETS if n not in MIXED])
def test_two_replicas_are_one(name, two_replicas):
    one = _model(name)
    with two_replicas.scope():
        two = _model(name)
    logs = [_fit(model) for model in (one, two)]

    _assert_alike(one, two, atol=1e-4)
    for key in logs[0]:
        np.testing.assert_allclose(logs[0][key], logs[1][key], atol=1e-4)


@pytest.mark.parametrize("name", [n for n in PRESETS if n not in MIXED])
def test_saved_and_loaded_it_goes_on_as_if_it_had_not_stopped(name, tmp_path):
    whole, begun = _model(name), _model(name)
    _fit(whole, 3)
    _fit(begun, 2)
    begun.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    _fit(loaded, 3, initial_epoch=2)

    _assert_alike(whole, loaded, atol=1e-6)


@pytest.mark.parametrize("name", [n for n in PRESETS if n not in MIXED])
def test_xla_computes_the_same(name):
    plain, compiled = _model(name), _model(name, jit_compile=True)
    logs = [_fit(model) for model in (plain, compiled)]

    for values in logs[1].values():
        assert np.isfinite(values).all()
    preset = _preset(name)
    if preset.views is None and name != "vat":
        _assert_alike(plain, compiled, atol=1e-3)
    else:  # XLA draws other numbers.
        assert logs[1]["loss"][-1] == pytest.approx(
            logs[0]["loss"][-1], rel=0.3
        )


@pytest.mark.parametrize("name", PRESETS)
def test_in_half_precision(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        logs = _fit(_model(name))
    finally:
        keras.config.set_dtype_policy(before)

    for values in logs.values():
        assert np.isfinite(values).all()


@pytest.mark.parametrize("name", PRESETS)
def test_the_exported_classifier_is_the_evaluated_one(name, tmp_path):
    model = _model(name)
    _fit(model)
    model.export(tmp_path / "served", verbose=False)

    served = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(
        served.serve(X), model.predict(X, verbose=0), rtol=1e-4
    )
