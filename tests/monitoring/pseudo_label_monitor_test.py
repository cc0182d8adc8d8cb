import itertools
import json
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import model_of, streams

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 4)).astype("float32")
Y = np.arange(12) % 3
X_U = RNG.normal(size=(40, 4)).astype("float32")
Y_U = RNG.integers(3, size=40)
FIGURES = {
    *("coverage", "confidence", "entropy", "class_distance", "churn"),
    *("pseudo_label_accuracy", "accepted_accuracy", "calibration_error"),
}


def _model(rate=0.1, run_eagerly=True, **choices):
    keras.utils.set_random_seed(1)
    classifier = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model = tpl.PseudoLabelModel(classifier, **choices)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.SGD(rate),
        loss,
        metrics=["accuracy"],
        run_eagerly=run_eagerly,
    )
    return model


def _fit(model, monitor, *, hidden=True, alpha=1.0, batch_u=10, **kwargs):
    labeled = tf.data.Dataset.from_tensor_slices((X, Y)).batch(6)
    unlabeled = (X_U, Y_U) if hidden else X_U
    unlabeled = tf.data.Dataset.from_tensor_slices(unlabeled).batch(batch_u)
    model.alpha.assign(alpha)
    kwargs = {"epochs": 3, "verbose": 0, **kwargs}
    callbacks = [monitor, *kwargs.pop("callbacks", [])]
    streams = tpl.merge_streams(labeled, unlabeled)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tpl.PseudoLabelWarning)
        return model.fit(streams, callbacks=callbacks, **kwargs).history


def _sure_of_none():
    return _model(selection=tpl.Threshold(1.0))


def _softmax(logits):
    exp = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


def test_figures_of_one_update_by_hand():
    """All rows in one batch, so that the weights are those of the start."""
    model = _model(selection=tpl.Threshold(0.6))
    w, b = model.classifier.get_weights()
    p = _softmax(X_U @ w + b)
    monitor = tpl.PseudoLabelMonitor()
    logs = _fit(model, monitor, batch_u=40, epochs=1)

    top, label = p.max(axis=1), p.argmax(axis=1)
    accepted, right = top >= 0.6, label == Y_U
    shares = np.bincount(label[accepted], minlength=3) / accepted.sum()
    bins = np.ceil(top * 15).astype(int)
    gaps = [
        abs(right[bins == k].mean() - top[bins == k].mean())
        * (bins == k).mean()
        for k in np.unique(bins)
    ]
    expected = {
        "coverage": accepted.mean(),
        "confidence": top.mean(),
        "entropy": -(p * np.log(p)).sum(axis=1).mean(),
        "pseudo_label_accuracy": right.mean(),
        "accepted_accuracy": right[accepted].mean(),
        "calibration_error": sum(gaps),
        "class_distance": np.abs(shares - 1 / 3).sum() / 2,
    }
    assert 0 < accepted.mean() < 1
    for name, value in expected.items():
        assert logs[name][0] == pytest.approx(value, abs=1e-6), name
    np.testing.assert_allclose(
        monitor.history[0]["class_shares"], shares, atol=1e-6
    )


def test_churn_is_the_share_of_the_probe_that_changed():
    model = _model(rate=1.0)
    probe = X_U[:30]
    labels = [model(probe).numpy().argmax(axis=1)]
    each_epoch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: labels.append(
            model(probe).numpy().argmax(axis=1)
        )
    )
    logs = _fit(
        model, tpl.PseudoLabelMonitor(probe), epochs=4, callbacks=[each_epoch]
    )
    expected = [
        (before != after).mean() for before, after in itertools.pairwise(labels)
    ]
    assert max(expected) > 0
    np.testing.assert_allclose(logs["churn"], expected)


def test_churn_is_of_words_not_of_padding(monkeypatch):
    model = _model()
    monitor = tpl.PseudoLabelMonitor(X_U)
    said = [np.array([[0, 1, -1, -1]]), np.array([[1, 1, -1, -1]])]
    monkeypatch.setattr(
        monitor, "_labels_of_probe", lambda: said.pop(0), raising=True
    )
    logs = _fit(model, monitor, epochs=1)

    np.testing.assert_allclose(logs["churn"], [0.5])


def test_what_is_not_known_is_not_logged():
    """A NaN would be the best value that other callbacks know, for ever."""
    monitor = tpl.PseudoLabelMonitor()
    logs = _fit(_model(), monitor, hidden=False)
    unknown = {
        *("churn", "pseudo_label_accuracy"),
        *("accepted_accuracy", "calibration_error"),
    }
    assert logs.keys() & FIGURES == FIGURES - unknown
    for row in monitor.history:
        assert {name for name in FIGURES if np.isnan(row[name])} == unknown
    skipped = _fit(_model(), tpl.PseudoLabelMonitor(X_U), alpha=0.0)
    assert skipped.keys() & FIGURES == {"churn"}


def test_every_figure_is_logged_from_where_it_is_known():
    logs = _fit(_model(), tpl.PseudoLabelMonitor(X_U))

    assert logs.keys() >= FIGURES
    assert not any(np.isnan(logs[name]).any() for name in FIGURES)


def test_callbacks_placed_after_it_see_the_figures(tmp_path):
    after = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    _fit(_model(), tpl.PseudoLabelMonitor(X_U), callbacks=[after])
    header = (tmp_path / "log.csv").read_text().splitlines()[0].split(",")
    assert set(header) >= FIGURES


def test_it_changes_no_weight():
    watched, alone = _model(), _model()
    _fit(watched, tpl.PseudoLabelMonitor(X_U))
    _fit(alone, keras.callbacks.Callback())
    for a, b in zip(watched.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("teacher", "changes"),
    [(tpl.Lagged(every=100), []), (tpl.Lagged(every=2), [1, 3])],
    ids=["never", "every second epoch"],
)
def test_churn_is_that_of_the_teacher(teacher, changes):
    """The network moves all the time; labels move when it labels anew."""
    logs = _fit(
        _model(rate=2.0, teacher=teacher), tpl.PseudoLabelMonitor(X_U), epochs=4
    )

    changed = [epoch for epoch, churn in enumerate(logs["churn"]) if churn]
    assert changed == changes


@pytest.mark.parametrize("form", ["arrays", "dataset", "with labels"])
def test_a_probe_is_arrays_or_a_dataset(form):
    probe = {
        "arrays": X_U,
        "dataset": tf.data.Dataset.from_tensor_slices(X_U).batch(7),
        "with labels": tf.data.Dataset.from_tensor_slices((X_U, Y_U)).batch(7),
    }[form]
    found = _fit(_model(rate=1.0), tpl.PseudoLabelMonitor(probe))["churn"]
    expected = _fit(_model(rate=1.0), tpl.PseudoLabelMonitor(X_U))["churn"]

    assert found == expected and max(found) > 0


def test_two_replicas_equal_one(two_replicas):
    def history(strategy, **options):
        with strategy.scope():
            model = _model(selection=tpl.Threshold(0.5), **options)
        monitor = tpl.PseudoLabelMonitor(X_U)
        _fit(model, monitor, epochs=2)
        return monitor.history

    one = history(tf.distribute.get_strategy())
    two = history(two_replicas, run_eagerly=False)
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys()
        for name in a.keys() - {"val_accuracy"}:
            np.testing.assert_allclose(
                a[name], b[name], atol=1e-5, err_msg=name
            )


def test_alarms_warn_once_and_training_goes_on():
    model = _model(selection=tpl.Threshold(1.0))
    monitor = tpl.PseudoLabelMonitor()
    streams = tpl.merge_streams(
        tf.data.Dataset.from_tensor_slices((X, Y)).batch(6),
        tf.data.Dataset.from_tensor_slices(X_U).batch(40),
    )
    model.alpha.assign(1.0)
    with pytest.warns(tpl.PseudoLabelWarning) as caught:
        history = model.fit(streams, epochs=22, verbose=0, callbacks=[monitor])
    ours = [w for w in caught if w.category is tpl.PseudoLabelWarning]
    assert len(ours) == 1
    assert "Epoch 19: Hardly a pseudo-label counts" in str(ours[0].message)
    assert len(history.epoch) == 22
    assert not monitor.stopped


def test_alarms_stop_training_when_asked_to():
    monitor = tpl.PseudoLabelMonitor(on_alarm="stop")
    logs = _fit(_sure_of_none(), monitor, batch_u=40, epochs=22)
    assert len(logs["loss"]) == 20
    assert monitor.stopped


def test_another_model_begins_anew():
    """As in folds and trials: what one model did says nothing of the next."""
    monitor = tpl.PseudoLabelMonitor(X_U, on_alarm="stop")
    lengths = [
        len(_fit(_sure_of_none(), monitor, batch_u=40, epochs=22)["loss"])
        for _ in range(2)
    ]
    assert lengths == [20, 20]
    assert len(monitor.history) == 20 and len(monitor.alarms) == 1

    # And the same model goes on.
    model, again = _model(), tpl.PseudoLabelMonitor(X_U)
    _fit(model, again, epochs=2)
    _fit(model, again, epochs=3, initial_epoch=2)
    assert [row["epoch"] for row in again.history] == [0, 1, 2]


def test_its_state_goes_through_json():
    whole, first, second = (tpl.PseudoLabelMonitor(X_U) for _ in range(3))
    _fit(_model(rate=1.0), whole, epochs=4)
    model = _model(rate=1.0)
    _fit(model, first, epochs=2)
    second.set_state(json.loads(json.dumps(first.get_state())))
    _fit(model, second, epochs=4, initial_epoch=2)
    assert len(second.history) == 4
    for a, b in zip(whole.history, second.history, strict=True):
        assert a["churn"] == b["churn"]
        np.testing.assert_allclose(a["class_shares"], b["class_shares"])


def test_histograms_for_tensorboard(tmp_path):
    monitor = tpl.PseudoLabelMonitor(log_dir=tmp_path)
    _fit(_model(), monitor, epochs=2)
    (file,) = (tmp_path / "train").glob("events.*")
    tags = {
        (event.step, value.tag): tf.make_ndarray(value.tensor)
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    }
    assert tags.keys() == {
        (epoch, f"pseudo_label_{name}")
        for epoch in (0, 1)
        for name in ("classes", "confidences")
    }
    classes, sureness = (
        tags[1, f"pseudo_label_{name}"] for name in ("classes", "confidences")
    )
    np.testing.assert_array_equal(
        classes[:, :2], [[-0.5, 0.5], [0.5, 1.5], [1.5, 2.5]]
    )
    shares = monitor.history[1]["class_shares"]
    np.testing.assert_array_equal(classes[:, 2], shares)
    np.testing.assert_allclose(sureness[:, 1], np.arange(1, 16) / 15)
    assert sureness[:, 2].sum() == len(X_U)


def test_another_model_is_refused():
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    plain.compile("sgd", "mse")
    with pytest.raises(ValueError, match="PseudoLabelModel; got Sequential"):
        plain.fit(X, X[:, :3], verbose=0, callbacks=[tpl.PseudoLabelMonitor()])


def test_an_unknown_reaction_is_refused():
    with pytest.raises(ValueError, match="warn, stop; got 'abort'"):
        tpl.PseudoLabelMonitor(on_alarm="abort")


@pytest.mark.parametrize("name", ["acc", "accuracy"])
def test_either_name_of_the_validation_accuracy_is_known(name):
    monitor = tpl.PseudoLabelMonitor()
    model = model_of()
    model.compile("sgd", model.loss, metrics=[name])
    model.fit(
        streams((X, Y), (X_U,)),
        validation_data=(X, Y),
        verbose=0,
        callbacks=[monitor],
    )
    assert 0 <= monitor.history[0]["val_accuracy"] <= 1
