import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl


def _model():
    model = tpl.PseudoLabelModel(
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    )
    model.compile(
        "sgd",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
    )
    return model


def _streams():
    x = np.random.default_rng(0).normal(size=(12, 2)).astype("float32")
    labeled = tf.data.Dataset.from_tensor_slices((x[:4], [0, 1, 2, 0]))
    unlabeled = tf.data.Dataset.from_tensor_slices((x,))
    return tpl.merge_streams(labeled.batch(2), unlabeled.batch(4))


def _fit(scheduler, **kwargs):
    return (
        _model()
        .fit(_streams(), callbacks=[scheduler], verbose=0, **kwargs)
        .history["alpha"]
    )


def test_alpha_of_each_epoch_is_logged():
    scheduler = tpl.AlphaScheduler(tpl.LinearRamp(t1=1, t2=3, alpha_f=0.5))

    assert _fit(scheduler, epochs=5) == [0.0, 0.0, 0.25, 0.5, 0.5]


def test_resuming_gives_the_alpha_of_the_epoch():
    scheduler = tpl.AlphaScheduler(tpl.LinearRamp(t1=1, t2=3, alpha_f=0.5))

    assert _fit(scheduler, initial_epoch=2, epochs=4) == [0.25, 0.5]


def test_clock_moves_alpha_within_the_epoch():
    seen = []

    class Spy(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(float(self.model.alpha.numpy()))

    # Three batches an epoch: time is the update.
    scheduler = tpl.AlphaScheduler(
        tpl.LinearRamp(t1=1, t2=5, alpha_f=4.0),
        clock=lambda epoch, batch: 3 * epoch + batch,
    )
    _model().fit(_streams(), epochs=2, callbacks=[scheduler, Spy()], verbose=0)

    assert seen == [0.0, 0.0, 1.0, 2.0, 3.0, 4.0]


def test_alpha_is_assigned_only_when_time_moves(monkeypatch):
    scheduler = tpl.AlphaScheduler(
        tpl.LinearRamp(t1=0, t2=4, alpha_f=4.0),
        clock=lambda epoch, batch: epoch + batch // 2,
    )
    assigned = []
    assign = scheduler._assign
    monkeypatch.setattr(
        scheduler, "_assign", lambda t: (assigned.append(t), assign(t))
    )

    assert _fit(scheduler, epochs=2) == [1.0, 2.0]

    # Three batches an epoch. Each begins anew, whatever has moved alpha since.
    assert assigned == [0, 1, 1, 2]


def test_any_callable_is_a_schedule():
    assert _fit(tpl.AlphaScheduler(lambda t: 0.1 * t), epochs=2) == [
        0.0,
        pytest.approx(0.1),
    ]


@pytest.mark.parametrize("schedule", [3.0, None, "linear"])
def test_a_number_is_no_schedule(schedule):
    with pytest.raises(ValueError, match="callable from time to alpha; got"):
        tpl.AlphaScheduler(schedule)


def test_training_without_alpha_is_warned_of():
    """As a ramp that begins after the last epoch does it."""
    scheduler = tpl.AlphaScheduler(tpl.LinearRamp(t1=2, t2=4, alpha_f=1.0))

    with pytest.warns(UserWarning, match="alpha stays 0 in all of 3 epochs"):
        _fit(scheduler, epochs=3)


@pytest.mark.parametrize(
    "scheduler",
    [
        tpl.AlphaScheduler(tpl.LinearRamp(t1=1, t2=4, alpha_f=1.0)),
        tpl.AlphaScheduler(
            tpl.LinearRamp(t1=5, t2=6, alpha_f=1.0),
            clock=lambda epoch, batch: 3 * epoch + batch,
        ),
    ],
    ids=["by epochs", "by updates"],
)
def test_alpha_that_rises_at_last_is_no_warning(scheduler, recwarn):
    _fit(scheduler, epochs=3)

    assert not [w for w in recwarn if "alpha stays 0" in str(w.message)]


def test_a_beginning_on_labels_alone_is_no_warning(recwarn):
    labeled = tf.data.Dataset.from_tensor_slices(
        (np.ones((4, 2)), [0, 1, 2, 0])
    )
    scheduler = tpl.AlphaScheduler(tpl.LinearRamp(t1=2, t2=4, alpha_f=1.0))
    _model().fit(
        tpl.labeled_alone(labeled.batch(2)), callbacks=[scheduler], verbose=0
    )

    assert not [w for w in recwarn if "alpha stays 0" in str(w.message)]


@pytest.mark.filterwarnings("ignore:alpha stays 0")
@pytest.mark.parametrize("alpha", [-1.0, float("nan")])
def test_schedule_that_gives_a_bad_alpha_is_refused(alpha):
    with pytest.raises(ValueError, match=f"gave {alpha} at t=0"):
        _fit(tpl.AlphaScheduler(lambda t: alpha))


def test_model_without_alpha_is_refused():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")

    with pytest.raises(ValueError, match="Sequential does not have"):
        model.fit(
            np.zeros((2, 2)),
            np.zeros((2, 1)),
            callbacks=[tpl.AlphaScheduler(tpl.Constant(1.0))],
            verbose=0,
        )


@pytest.mark.parametrize(
    "schedule", [tpl.LinearRamp(t1=0, t2=1, alpha_f=0.0), tpl.Constant(0)]
)
def test_an_alpha_that_shall_be_0_is_no_warning(schedule, recwarn):
    _fit(tpl.AlphaScheduler(schedule), epochs=2)

    assert not [w for w in recwarn if "alpha stays 0" in str(w.message)]


def test_a_clock_that_counts_is_asked_in_training_alone(recwarn):
    """And the end of training tells whether alpha rose."""
    asked = []

    def clock(epoch, batch):
        asked.append((epoch, batch))
        return len(asked)

    ramp = tpl.LinearRamp(t1=2, t2=6, alpha_f=1.0)
    _fit(tpl.AlphaScheduler(ramp, clock=clock), epochs=3)

    assert asked[0] == (0, 0)
    assert not [w for w in recwarn if "alpha stays 0" in str(w.message)]


def test_a_clock_that_is_too_slow_is_warned_of():
    ramp = tpl.LinearRamp(t1=2, t2=6, alpha_f=1.0)
    scheduler = tpl.AlphaScheduler(ramp, clock=lambda epoch, batch: 0.1)
    with pytest.warns(UserWarning, match="alpha stays 0 in all of 2 epochs"):
        _fit(scheduler, epochs=5, initial_epoch=3)


def test_epochs_that_are_over_do_not_count():
    scheduler = tpl.AlphaScheduler(lambda t: 1.0 if t < 3 else 0.0)
    with pytest.warns(UserWarning, match="alpha stays 0 in all of 2 epochs"):
        _fit(scheduler, epochs=5, initial_epoch=3)
