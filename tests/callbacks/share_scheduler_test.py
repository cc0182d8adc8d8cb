import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.callbacks.share_scheduler import least_confidences

CLASSES = 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 4)).astype("float32")
Y = np.array([0, 1, 2, 0, 1, 2])


# The confidence that a share reaches.

SURE = np.array([0.9, 0.5, 0.7, 0.6, 0.8])
IDS = np.array([0, 2, 0, 2, 2])


@pytest.mark.parametrize(
    ("share", "least"),
    [
        (0.01, 0.9),  # Of 5 rows, at least one.
        (0.2, 0.9),
        (0.21, 0.8),
        (0.4, 0.8),
        (0.6, 0.7),  # 0.6 * 5 is 3, and no more.
        (0.99, 0.5),
        (1.0, 0.5),
    ],
)
def test_the_surest_share_reaches(share, least):
    found = least_confidences(np.zeros(5, int), SURE, share, 3)

    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [least, 0, 0])


def test_a_share_of_every_class():
    found = least_confidences(IDS, SURE, 0.5, 3)

    # 0.9 of (0.9, 0.7); 0.6 of (0.8, 0.6, 0.5); no row of class 1.
    np.testing.assert_allclose(found, [0.9, 0, 0.6], rtol=1e-6)


def test_products_that_round_up_ask_for_no_more_rows():
    """0.1 * 30 is 3.0000000000000004."""
    sure = np.linspace(0.5, 1, 30)
    found = least_confidences(np.zeros(30, int), sure, 0.1, 2)

    np.testing.assert_allclose(found, [sure[-3], 0], rtol=1e-6)


def test_tokens_are_rows():
    found = least_confidences(IDS[None], SURE[None], 0.5, 3)

    np.testing.assert_array_equal(found, least_confidences(IDS, SURE, 0.5, 3))


def test_padding_is_no_row():
    ids = np.array([[0, 2, -1, 2, -1]])
    found = least_confidences(ids, SURE[None], 0.5, 3)

    np.testing.assert_allclose(found, [0.9, 0, 0.6], rtol=1e-6)


# In training.


def _model(selection=None, learning_rate=0.0, teacher="inference"):
    keras.utils.set_random_seed(1)
    model = tpl.PseudoLabelModel(
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(CLASSES)]),
        teacher=teacher,
        selection=selection or tpl.TopShare(),
    )
    model.compile(
        keras.optimizers.SGD(learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
    )
    model.alpha.assign(1.0)
    return model


def _fit(model, *callbacks, **kwargs):
    labeled = tf.data.Dataset.from_tensor_slices((X[:6], Y)).batch(6)
    unlabeled = tf.data.Dataset.from_tensor_slices(X).batch(30)
    return model.fit(
        tpl.merge_streams(labeled, unlabeled),
        callbacks=list(callbacks),
        verbose=0,
        **kwargs,
    ).history


def _expected(model, share):
    p = tf.nn.softmax(model.classifier(X)).numpy()
    return least_confidences(p.argmax(axis=-1), p.max(axis=-1), share, 3)


def test_the_first_epoch_begins_with_measured_thresholds():
    """Before any update: with a learning rate of 0, after them, too."""
    model = _model()
    _fit(model, tpl.ShareScheduler(lambda epoch: 0.3, X))

    assert model.selection.epoch == 0
    # Lower by what a confidence may be rounded by, and by no more.
    lower = _expected(model, 0.3) - model.selection.thresholds.numpy()
    assert (lower > 0).all() and (lower < 5e-6).all()


def test_the_share_counts_of_every_class():
    """The least sure rows, too, however batches round."""
    model = _model()

    logs = _fit(model, tpl.ShareScheduler(lambda epoch: 0.3, X))
    ids = tf.argmax(model.classifier(X), axis=-1).numpy()
    counts = np.ceil(0.3 * np.bincount(ids, minlength=CLASSES) - 1e-9)

    assert (np.bincount(ids, minlength=CLASSES) > 0).all()
    assert logs["coverage"] == [pytest.approx(counts.sum() / 30)]
    np.testing.assert_allclose(
        model.statistics.summary()["class_shares"], counts / counts.sum()
    )


def test_a_share_of_1_counts_every_row_and_needs_no_pass():
    model = _model()
    # Whoever predicts on that fails.
    scheduler = tpl.ShareScheduler(lambda epoch: 1.0, unlabeled=None)

    assert _fit(model, scheduler)["coverage"] == [1.0]
    np.testing.assert_array_equal(model.selection.thresholds, np.zeros(3))
    assert model.selection.epoch == 0


def test_thresholds_follow_the_schedule_and_the_network():
    model, seen = _model(learning_rate=0.5), []

    class Compare(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            expected = _expected(self.model, 0.2 + 0.3 * epoch)
            found = self.model.selection.thresholds.numpy()
            np.testing.assert_allclose(found, expected, rtol=1e-5)
            seen.append(found)

    scheduler = tpl.ShareScheduler(lambda epoch: 0.2 + 0.3 * epoch, X)
    _fit(model, scheduler, Compare(), epochs=3)

    assert len(seen) == 3
    assert np.abs(seen[1] - seen[0]).max() > 0.01


@pytest.mark.parametrize(
    "callbacks",
    [[], [tpl.StartOver(every=2, epochs=4)]],
    ids=["lagged", "started over"],
)
def test_the_share_is_that_of_the_teacher(callbacks):
    """A network that moves on, or begins anew, changes nothing about it."""
    model = _model(learning_rate=1.0, teacher=tpl.Lagged(2))
    scheduler = tpl.ShareScheduler(lambda epoch: 0.3, X)
    logs = _fit(model, scheduler, *callbacks, epochs=4)

    # Of each class at least 0.3, and less than a row more.
    assert all(0.3 <= c <= 0.3 + CLASSES / 30 for c in logs["coverage"])


def test_another_model_is_measured_anew():
    scheduler = tpl.ShareScheduler(lambda epoch: 0.3, X)
    for rate in (0.5, 0.0):
        model = _model(learning_rate=rate)
        _fit(model, scheduler)
    np.testing.assert_allclose(
        model.selection.thresholds, _expected(model, 0.3), rtol=1e-5
    )


class _Counting:
    """A schedule that knows for which epochs it was asked."""

    def __init__(self):
        self.epochs = []

    def __call__(self, epoch):
        self.epochs.append(epoch)
        return 0.5


def test_every_epoch_is_measured_once_per_training():
    model, schedule = _model(), _Counting()
    scheduler = tpl.ShareScheduler(schedule, X)
    _fit(model, scheduler, epochs=3)
    assert schedule.epochs == [0, 1, 2]

    # The weights may be others by now.
    _fit(model, scheduler, epochs=3, initial_epoch=2)
    assert schedule.epochs == [0, 1, 2, 2]


def test_an_epoch_that_was_begun_is_not_measured_again():
    """As where a checkpoint of its middle is restored."""
    model, schedule = _model(), _Counting()
    restored = np.array([0.9, 0.8, 0.7], "float32")
    restore = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: model.selection.assign(restored, 1)
    )
    seen = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append(
            model.selection.thresholds.numpy()
        )
    )
    scheduler = tpl.ShareScheduler(schedule, X)
    _fit(model, scheduler, restore, note, initial_epoch=1, epochs=3)

    assert schedule.epochs == [2]
    np.testing.assert_array_equal(seen[0], restored)
    assert (seen[1] != restored).all()


# Refusals.


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, float("nan")])
def test_a_share_outside_0_and_1_is_refused(share):
    with pytest.raises(ValueError, match=f"gave {share} at epoch 0"):
        _fit(_model(), tpl.ShareScheduler(lambda epoch: share, X))


@pytest.mark.parametrize("selection", ["all", tpl.Threshold(0.5)])
def test_a_model_that_selects_otherwise_is_refused(selection):
    with pytest.raises(ValueError, match=r"selection=tpl\.TopShare\(\)"):
        _fit(_model(selection), tpl.ShareScheduler(lambda epoch: 0.5, X))


def test_a_model_of_another_kind_is_refused():
    scheduler = tpl.ShareScheduler(lambda epoch: 0.5, X)
    scheduler.set_model(keras.Sequential([keras.layers.Dense(3)]))

    with pytest.raises(ValueError, match="got a model with selection=None"):
        scheduler.on_train_begin()
