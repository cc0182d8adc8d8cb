"""A model that is written down and read again is the model that it was."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl

CLASSES = 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 4)).astype("float32")
Y = np.array([0, 1, 2, 0, 1, 2, 2, 1])
X_U = RNG.normal(size=(24, 4)).astype("float32")
ONE_HOT = np.eye(CLASSES, dtype="float32")


def _streams():
    labeled = tf.data.Dataset.from_tensor_slices((X, ONE_HOT[Y]))
    unlabeled = tf.data.Dataset.from_tensor_slices(X_U)
    return tpl.merge_streams(labeled.batch(4), unlabeled.batch(12))


def _fit(model, *callbacks, **kwargs):
    alpha = tpl.AlphaScheduler(tpl.Constant(0.7))
    model.fit(_streams(), callbacks=[alpha, *callbacks], verbose=0, **kwargs)


def _linear():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(CLASSES)])


def _assert_same(model, other, **tolerance):
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, **{"rtol": 0, **tolerance})


@keras.saving.register_keras_serializable(package="tf_pseudolabel_test")
class Subclassed(keras.Model):
    """Makes its variables at its first call."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.normalize = keras.layers.BatchNormalization(momentum=0.5)
        self.dense = keras.layers.Dense(units)

    def call(self, x, training=None):
        return self.dense(self.normalize(x, training=training))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def _functional():
    inputs = keras.Input((4,))
    normalized = keras.layers.BatchNormalization(momentum=0.5)(inputs)
    return keras.Model(inputs, keras.layers.Dense(CLASSES)(normalized))


# Every argument is another than by default in one of them.
# Made anew for each model: parts remember.
EVERY_CHOICE = {
    "lagged": lambda: {
        "teacher": tpl.Lagged(2),
        "target": tpl.Sharpened(0.7),
        "selection": tpl.Threshold(0.4, "accepted"),
        "batch_norm": "labeled",
        "terms": [tpl.ClassPrior(0.3), tpl.MinimumEntropy(0.2)],
    },
    "mixup": lambda: {
        "target": "soft",
        "batch_norm": "joint",
        "mixup": 2.0,
        "terms": [tpl.MinimumEntropy(0.1)],
    },
    "views": lambda: {
        "teacher": "training",
        "views": tpl.Views(strong=keras.layers.Rescaling(1.1)),
        "unlabeled_loss": tpl.ConditionalEntropy(0.5),
    },
    "averaged": lambda: {
        "teacher": tpl.Averaged(0.8),
        "average": "teacher",
    },
    "averaged apart": lambda: {
        "average": tpl.Averaged(0.8),
    },
    "multi-label": lambda: {
        "teacher": tpl.Lagged(2),
        "target": "multi_hot",
        "selection": tpl.TwoSided([0.5, 0.6, 0.7], 0.4, "accepted"),
    },
    "shares of yes and no": lambda: {
        "target": tpl.MultiHot(),
        "selection": tpl.TopShare("all"),
    },
}


def _with(choices, classifier=_linear):
    keras.utils.set_random_seed(1)
    model = tpl.PseudoLabelModel(classifier(), **choices)
    loss = (
        keras.losses.BinaryCrossentropy(from_logits=True)
        if model.target.multi_label
        else keras.losses.CategoricalCrossentropy(from_logits=True)
    )
    model.compile(
        keras.optimizers.Adam(0.05),
        loss,
        metrics=["accuracy"],
        run_eagerly=True,
    )
    return model


@pytest.mark.parametrize(
    ("name", "classifier"),
    [
        ("lagged", _functional),
        ("lagged", lambda: Subclassed(CLASSES)),
        ("mixup", _functional),
        ("views", _linear),
        ("averaged", _functional),
        ("averaged", lambda: Subclassed(CLASSES)),
        ("averaged apart", _functional),
        ("multi-label", _functional),
        ("multi-label", lambda: Subclassed(CLASSES)),
        ("shares of yes and no", _linear),
    ],
)
def test_every_choice_is_saved_and_trains_on(name, classifier, tmp_path):
    uninterrupted = _with(EVERY_CHOICE[name](), classifier)
    _fit(uninterrupted, epochs=4)
    model = _with(EVERY_CHOICE[name](), classifier)
    _fit(model, epochs=3)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    config, expected = loaded.get_config(), model.get_config()
    for layers in ("classifier", "views"):  # Which say how they were built.
        del config[layers], expected[layers]
    assert config == expected
    assert float(loaded.alpha.numpy()) == pytest.approx(0.7)
    assert isinstance(loaded.alpha, tf.Variable)
    _assert_same(loaded, model)
    if model.views is not None:
        assert loaded.views.strong.scale == 1.1
    if model.mixup:  # Keras leaves seeds out of .keras files, dropout's, too.
        loaded.mixing.seed.state.assign(model.mixing.seed.state)
    _fit(loaded, initial_epoch=3, epochs=4)
    _assert_same(loaded, uninterrupted, atol=1e-6)


def test_weights_loaded_into_a_new_model_hold_the_state_of_parts(tmp_path):
    """The lagged teacher labels as the one that was saved."""

    def new():
        model = _with({"teacher": tpl.Lagged(3)})
        model.compile(keras.optimizers.SGD(0.5), model.loss, run_eagerly=True)
        return model

    uninterrupted, model, loaded = new(), new(), new()
    _fit(uninterrupted, epochs=5)
    _fit(model, epochs=2)
    model.save_weights(tmp_path / "w.weights.h5")
    loaded.classifier.set_weights(
        [np.zeros_like(w) for w in loaded.classifier.get_weights()]
    )
    loaded.load_weights(tmp_path / "w.weights.h5")
    # Of the optimizer's, Keras' file of weights holds nothing.
    loaded.optimizer.iterations.assign(model.optimizer.iterations)
    _fit(loaded, initial_epoch=2, epochs=5)

    _assert_same(loaded, uninterrupted)


def test_weights_of_a_classifier_that_is_not_built_are_refused(tmp_path):
    model = tpl.PseudoLabelModel(keras.Sequential([keras.layers.Dense(3)]))

    with pytest.raises(ValueError, match="needs a built classifier"):
        model.load_weights(tmp_path / "w.weights.h5")


@pytest.mark.parametrize(
    "classifier", [_functional, lambda: Subclassed(CLASSES)]
)
def test_measured_thresholds_are_saved(classifier, tmp_path):
    model = _with({"selection": tpl.TopShare(mean="all")}, classifier)
    share = tpl.ShareScheduler(lambda epoch: 0.3, X_U)
    _fit(model, share, epochs=3)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert loaded.selection.mean == "all"
    assert loaded.selection.epoch == 2
    assert model.selection.thresholds.numpy().min() > 0
    np.testing.assert_array_equal(
        loaded.selection.thresholds, model.selection.thresholds
    )


def test_choices_are_saved_before_the_first_fit(tmp_path):
    model = _with(EVERY_CHOICE["lagged"](), _functional)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    for trained in (loaded, model):
        _fit(trained, epochs=2)
    _assert_same(loaded, model)


def test_config_round_trip():
    model = tpl.PseudoLabelModel(
        _linear(),
        teacher="training",
        unlabeled_loss=tpl.ConditionalEntropy(0.5),
        name="mine",
    )
    config = keras.saving.serialize_keras_object(model)
    restored = keras.saving.deserialize_keras_object(config)

    assert isinstance(restored, tpl.PseudoLabelModel)
    assert type(restored.teacher) is type(model.teacher)
    assert restored.unlabeled_loss.weight == 0.5
    assert restored.name == "mine"
    assert restored.classifier.get_config() == model.classifier.get_config()


def test_loaded_model_trains_on_replicas(two_replicas, tmp_path):
    def new():
        model = _with({"teacher": "lagged"})
        model.compile(keras.optimizers.Adam(0.05), model.loss)
        return model

    with two_replicas.scope():
        model = new()
    _fit(model)
    model.save(tmp_path / "model.keras")
    with two_replicas.scope():
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    one = _with({"teacher": "lagged"})
    for trained, first in ((loaded, 1), (model, 1), (one, 0)):
        _fit(trained, initial_epoch=first, epochs=2)

    _assert_same(loaded, model, atol=1e-6)
    _assert_same(loaded, one, atol=1e-5)


def test_keras_callbacks_work(tmp_path):
    model = _with({})
    _fit(
        model,
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras"),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.BackupAndRestore(tmp_path / "backup"),
        keras.callbacks.ReduceLROnPlateau(patience=1),
        keras.callbacks.EarlyStopping(restore_best_weights=True),
        keras.callbacks.TensorBoard(tmp_path / "board"),
        epochs=3,
        validation_data=(X, ONE_HOT[Y]),
    )

    assert (tmp_path / "best.keras").exists()
    header = (tmp_path / "log.csv").read_text().splitlines()[0]
    assert {"alpha", "labeled_loss", "val_accuracy"} <= set(header.split(","))
    assert any((tmp_path / "board").iterdir())


# In other processes.


def _in_a_clean_process(code):
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


# A training of 4 epochs beside 10 batches of labels, interrupted or not; on
# whatever strategy.
TRAINING = """
import sys
import keras
import numpy as np
import tensorflow as tf
import tf_pseudolabel

if "saved" in locals():
    loaded = keras.saving.load_model(saved)
    print(type(loaded).__name__, float(loaded.alpha.numpy()) > 0)

import tf_pseudolabel as tpl

x = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
labeled = tf.data.Dataset.from_tensor_slices((x, np.arange(20) % 3)).batch(2)
unlabeled = tf.data.Dataset.from_tensor_slices(x).batch(10)

class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.at:
            raise KeyboardInterrupt

def train(directory, strategy=tf.distribute.get_strategy(), at=None):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = tpl.PseudoLabelModel(
            keras.Sequential([keras.layers.Dense(3, "softmax")]),
            teacher="lagged",
        )
        model.compile("sgd", "sparse_categorical_crossentropy")
    interrupt = Interrupt()
    interrupt.at = at
    alpha = tpl.AlphaScheduler(tpl.LinearRamp(1, 3, 1.0))
    backup = keras.callbacks.BackupAndRestore(directory)
    try:
        model.fit(
            tpl.merge_streams(labeled, unlabeled).prefetch(1),
            epochs=4,
            verbose=0,
            callbacks=[alpha, backup, interrupt],
        )
    except KeyboardInterrupt:
        pass
    return model.classifier.get_weights()
"""


def test_a_new_process_goes_on(tmp_path):
    """Labels at their place, a lagged teacher with its labels.

    In it, loading needs no more than the import, and strategies with one
    replica train as none does.
    """
    model = _with({"teacher": "lagged"})
    _fit(model)
    model.save(tmp_path / "model.keras")
    here = {}
    exec(TRAINING, here)
    here["train"](tmp_path / "backup", at=2)
    whole = here["train"](tmp_path / "whole")

    printed = _in_a_clean_process(
        f"saved = {str(tmp_path / 'model.keras')!r}\n"
        + TRAINING
        + f"""
one = tf.distribute.MirroredStrategy(["CPU:0"])
device = tf.distribute.OneDeviceStrategy("CPU:0")
np.savez(
    {str(tmp_path / "weights.npz")!r},
    *train({str(tmp_path / "backup")!r}),
    *train({str(tmp_path / "one")!r}, one),
    *train({str(tmp_path / "device")!r}, device),
)
"""
    )

    assert printed.split() == ["PseudoLabelModel", "True"]
    found = list(np.load(tmp_path / "weights.npz").values())
    for a, b in zip(found, 3 * whole, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_export_serves_without_this_package(tmp_path):
    model = _with({})
    _fit(model)
    model.export(tmp_path / "served", verbose=False)
    np.save(tmp_path / "x.npy", X)

    _in_a_clean_process(
        f"""
        import sys
        import numpy as np
        import tensorflow as tf

        served = tf.saved_model.load({str(tmp_path / "served")!r})
        x = np.load({str(tmp_path / "x.npy")!r})
        np.save({str(tmp_path / "y.npy")!r}, served.serve(x))
        assert "tf_pseudolabel" not in sys.modules
        """
    )

    np.testing.assert_allclose(
        np.load(tmp_path / "y.npy"), model.predict(X, verbose=0), atol=1e-6
    )
