import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.callbacks.between_epochs import before_others

RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 4)).astype("float32")
Y = np.arange(10) % 3
X_U = RNG.normal(size=(8, 4)).astype("float32")
Y_U = np.arange(8) % 3


def _model(**choices):
    keras.utils.set_random_seed(1)
    model = tpl.PseudoLabelModel(
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), **choices
    )
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
    )
    return model


def _streams(hidden=True):
    """Ten labels, one after the other, beside two updates an epoch."""
    unlabeled = (X_U, Y_U) if hidden else (X_U,)
    return tpl.merge_streams(
        tf.data.Dataset.from_tensor_slices((X, Y)).batch(1),
        tf.data.Dataset.from_tensor_slices(unlabeled).batch(4),
    )


def _fit(model, *callbacks, streams=None, t1=3, **kwargs):
    ramp = tpl.AlphaScheduler(tpl.LinearRamp(t1=t1, t2=t1 + 1, alpha_f=1.0))
    kwargs = {"verbose": 0, **kwargs}
    return model.fit(
        streams or _streams(), callbacks=[ramp, *callbacks], **kwargs
    ).history


# What nothing is known of.


def test_figures_are_logged_from_where_they_are_known():
    logs = _fit(_model(selection=tpl.Threshold(0.0)), epochs=8)

    lengths = {name: len(values) for name, values in logs.items()}
    assert lengths == {
        **dict.fromkeys(("loss", "labeled_loss", "unlabeled_loss", "alpha"), 8),
        # Alpha is above 0 in epochs 4 to 7.
        **dict.fromkeys(("pseudo_label_accuracy", "coverage"), 4),
    }
    assert not any(np.isnan(values).any() for values in logs.values())


@pytest.mark.filterwarnings("ignore:Early stopping conditioned")
@pytest.mark.filterwarnings("ignore:Can save best model only")
def test_the_best_epoch_is_found_among_those_that_are_known(tmp_path):
    """NaN of epochs before alpha rises would be the best for ever."""
    model = _model()
    figure = {"monitor": "pseudo_label_accuracy", "mode": "max"}
    stop = keras.callbacks.EarlyStopping(**figure, patience=2)
    keep = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.weights.h5",
        **figure,
        save_best_only=True,
        save_weights_only=True,
    )
    logs = _fit(model, stop, keep, epochs=30)

    known = logs["pseudo_label_accuracy"]
    # Not before it is known, and two epochs after its best.
    assert len(logs["loss"]) == 4 + len(known)
    assert len(known) == int(np.argmax(known)) + 3
    assert stop.best == keep.best == max(known)
    assert (tmp_path / "best.weights.h5").exists()


# The position in the labels.


class Drawn(keras.callbacks.Callback):
    """Notes which labeled rows the updates of a model were given."""

    def __init__(self, model):
        super().__init__()
        self.rows = []
        step = model.train_step

        def watched(data):
            (row,) = data[0][0].numpy()
            self.rows.append(int(np.flatnonzero((row == X).all(axis=1))[0]))
            return step(data)

        model.train_step = watched


@pytest.mark.parametrize("then", [False, True], ids=["merged", "prefetched"])
def test_labels_go_on_from_epoch_to_epoch_and_from_fit_to_fit(then):
    model = _model()
    drawn = Drawn(model)
    streams = _streams()
    if then:
        streams = streams.map(lambda *pair: pair).prefetch(2)
    _fit(model, streams=streams, epochs=3, t1=0)
    _fit(model, streams=streams, epochs=5, initial_epoch=3, t1=0)
    # Another object of the same data goes on, too.
    _fit(model, streams=_streams(), epochs=6, initial_epoch=5, t1=0)

    assert drawn.rows == [*range(10), 0, 1]


def test_labels_go_on_where_epochs_are_cut_short():
    model = _model()
    drawn = Drawn(model)
    _fit(model, epochs=4, steps_per_epoch=1, t1=0)
    _fit(model, epochs=6, initial_epoch=4, t1=0)

    assert drawn.rows[:4] == [0, 1, 2, 3]
    assert drawn.rows[4:] == [4, 5, 6, 7]


def test_labels_go_on_after_a_resume(tmp_path):
    """The labels that the interrupted epoch had are drawn again."""

    class Interrupted(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                raise KeyboardInterrupt

    def backup():
        return keras.callbacks.BackupAndRestore(
            tmp_path / "backup", delete_checkpoint=False
        )

    model = _model(teacher=tpl.Lagged(2))
    with pytest.raises(KeyboardInterrupt):
        _fit(model, backup(), Interrupted(), epochs=5, t1=0)
    resumed = _model(teacher=tpl.Lagged(2))
    drawn = Drawn(resumed)
    _fit(resumed, backup(), epochs=5, t1=0)
    whole = _model(teacher=tpl.Lagged(2))
    _fit(whole, epochs=5, t1=0)

    assert drawn.rows == [6, 7, 8, 9]
    for a, b in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("steps", [2, 4])
def test_accumulated_gradients_count_batches(steps, scaled):
    """Also where a fit ends between two steps, and under a loss scale."""
    model = _model()
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=steps)
    if scaled:  # As mixed_float16 does; the first updates are skipped.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, 2.0**127)
    model.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
    )
    drawn = Drawn(model)
    for first in range(3):
        _fit(model, streams=_streams(), initial_epoch=first, epochs=first + 1)

    assert drawn.rows == [0, 1, 2, 3, 4, 5]


# Before all others, and for the time of a call.


@pytest.mark.parametrize("given", [None, [], "one"])
def test_it_stands_before_callbacks(given):
    own, other = keras.callbacks.Callback(), keras.callbacks.Callback()
    given = other if given == "one" else given
    with before_others(own, given, model=None) as callbacks:
        assert callbacks == ([own, other] if given is other else [own])


@pytest.mark.parametrize("fails", [False, True])
def test_a_list_of_callbacks_is_as_before(fails):
    model, own = _model(), keras.callbacks.Callback()
    given = keras.callbacks.CallbackList([], add_history=True, model=model)
    before = list(given.callbacks)
    try:
        with before_others(own, given, model) as callbacks:
            assert callbacks is given
            assert given.callbacks == [own, *before]
            assert own.model is model
            if fails:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert given.callbacks == before
