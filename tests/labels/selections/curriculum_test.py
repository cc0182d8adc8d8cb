import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import (
    X_U,
    X,
    Y,
    beliefs_of,
    context_of,
    dataset,
    linear,
    model_of,
    passed,
)
from tf_pseudolabel.views import Viewed


def _model(rows=12, threshold=0.95, classes=3):
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(classes)])
    keras.utils.set_random_seed(0)
    return model_of(network, selection=tpl.Curriculum(threshold, rows))


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([0] * 4 + [1] * 2, [0.95, 0.95 * 0.5 / 1.5]),
        ([0, 1], [0.95 * 0.125 / 1.875] * 2),
        ([], [0.0, 0.0]),  # So it begins: every row counts.
    ],
)
def test_as_the_authors_code_has_it(known, expected):
    selection = _model(10, classes=2).selection
    selection.selected.assign(known + [-1] * (10 - len(known)))

    np.testing.assert_allclose(selection.thresholds(), expected, rtol=1e-5)


def test_rows_are_remembered_after_they_were_used_by_the_fixed_threshold():
    model = _model(6)
    model.selection.selected.assign([0, 0, 0, 0, 0, 1])
    viewed = Viewed(X_U[:3], (), np.array([5, 0, 2]))
    context = context_of(model, unlabeled=(viewed,))
    beliefs = beliefs_of([[0, 0, 1.0], [0.2, 0.8, 0], [0.96, 0.04, 0]])

    weights = model.selection.row_weights(context, beliefs)
    context.beliefs = beliefs._replace(weight=weights)
    model.selection.after_update(context)

    # Of class 1, one row was sure, of 0 five: b = 0.2, threshold 0.106.
    assert weights.numpy().tolist() == [1, 1, 1]
    assert model.selection.selected.numpy().tolist() == [0, 0, 0, 0, 0, 2]


def _stream(batch):
    rows = tf.data.Dataset.from_tensor_slices(X_U).enumerate().batch(batch)
    return rows.map(lambda i, x: Viewed(x, index=i))


def test_replicas_remember_alike(two_replicas):
    one = _model(threshold=0.5)
    with two_replicas.scope():
        two = _model(threshold=0.5)
    for model in (one, two):
        merged = tpl.merge_streams(dataset(X, Y, batch=4), _stream(5))
        model.fit(merged, epochs=3, verbose=0)

    assert (one.selection.selected.numpy() >= 0).any()
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_it_goes_on_after_loading(tmp_path):
    model = _model(threshold=0.5)
    merged = tpl.merge_streams(dataset(X, Y), _stream(5))
    model.fit(merged, epochs=2, verbose=0)
    model.save(tmp_path / "m.keras")

    loaded = keras.saving.load_model(tmp_path / "m.keras")

    np.testing.assert_array_equal(
        loaded.selection.selected, model.selection.selected
    )


def test_what_it_needs_is_said():
    model = _model()
    with pytest.raises(ValueError, match="needs the number of every unlabel"):
        model.fit(tpl.merge_streams(dataset(X, Y), dataset(X_U)), verbose=0)
    with pytest.raises(ValueError, match="got rows=None"):
        tpl.PseudoLabelModel(
            keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]),
            selection=tpl.Curriculum(),
        )
    with pytest.raises(ValueError, match="`rows` counts"):
        tpl.Curriculum(rows=0)


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (np.arange(12) + 1, r"must lie in 0\.\.\.11.*; got \[12\]"),
        (np.arange(12) - 1, r"must lie in 0\.\.\.11.*; got \[-1\]"),
        (np.arange(12.0), r"number, an integer \(batch,\); got float64"),
        (np.arange(12)[:, None], r"got int64 \(None, 1\). Cast or squeeze"),
    ],
    ids=["too large", "negative", "floats", "a column"],
)
def test_numbers_that_are_none_of_the_rows_are_refused(index, text):
    rows = tf.data.Dataset.from_tensor_slices((X_U, index)).batch(4)
    rows = rows.map(lambda x, i: Viewed(x, index=i))

    with pytest.raises(ValueError, match=text):
        _model(12).fit(tpl.merge_streams(dataset(X, Y), rows), verbose=0)


def test_classes_of_positions_are_refused():
    network = keras.Sequential([keras.Input((5, 4)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="one class of each row; got outputs"):
        tpl.PseudoLabelModel(network, selection=tpl.Curriculum(rows=12))


def test_rows_of_weight_0_are_not_remembered():
    model = _model(12, threshold=0.0)
    index = np.arange(12)
    rows = tf.data.Dataset.from_tensor_slices((X_U, index, index % 2)).batch(6)
    rows = rows.map(lambda x, i, w: (Viewed(x, index=i), -tf.ones_like(i), w))

    model.fit(tpl.merge_streams(dataset(X, Y), rows), verbose=0)

    known = model.selection.selected.numpy() >= 0
    np.testing.assert_array_equal(known, index % 2 > 0)


@pytest.mark.parametrize("order", [1, -1])
def test_a_row_that_is_twice_in_a_batch_is_sure_once_and_for_all(order):
    """In two views, of which one is sure."""
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
    network.set_weights([np.array([[-3.0, 3.0]]), np.zeros(2)])
    model = model_of(network, selection=tpl.Curriculum(0.95, rows=2))
    x = np.array([[1.0], [0.01]], np.float32)[::order]
    context = passed(
        model,
        (np.ones((2, 1), np.float32), np.array([0, 1])),
        (Viewed(x, index=np.array([0, 0])),),
    )

    model.selection.after_update(context)

    np.testing.assert_array_equal(model.selection.selected, [1, -1])


def test_one_sigmoid_output_is_refused():
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    with pytest.raises(ValueError, match="a yes or no in place of two classes"):
        model_of(
            linear(classes=1), loss, selection=tpl.Curriculum(0.95, rows=2)
        )
