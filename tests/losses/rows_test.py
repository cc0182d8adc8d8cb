import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import (
    WEIGHT_U,
    X_U,
    beliefs_of,
    eager_updates,
    model_of,
    passed,
    softmax,
    streams,
    token_network,
)
from tf_pseudolabel.losses import rows

CE = keras.losses.SparseCategoricalCrossentropy

# Losses of any kind.


def test_functions_and_names_are_losses():
    def squares(y, p):
        return tf.reduce_sum((y - p) ** 2, axis=-1)

    y, p = tf.eye(3)[:2], tf.constant([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]])
    assert float(rows.as_loss(squares)(y, p)) == 0.25
    assert float(rows.as_loss("mae")(y, p)) == pytest.approx(1 / 6)
    loss = keras.losses.MeanSquaredError()
    assert rows.as_loss(loss) is loss


def test_values_are_of_rows_before_any_mean():
    scores = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    y = np.array([0, 2, 1, 1])
    expected = -np.log(softmax(scores)[np.arange(4), y])
    for reduction in ("sum", "sum_over_batch_size", "mean_with_sample_weight"):
        loss = CE(from_logits=True, reduction=reduction)
        found = rows.values(loss, tf.constant(y), tf.constant(scores))
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_values_of_scores_in_half_precision_are_those_of_the_loss():
    scores = tf.constant([[2.0, 0.0, -1.0]], tf.bfloat16)
    loss = CE(from_logits=True)

    found = rows.values(loss, tf.constant([1]), scores)
    assert found.dtype == tf.float32
    expected = -np.log(softmax(np.array([2.0, 0, -1]))[1])
    np.testing.assert_allclose(found, [expected], rtol=1e-5)


@pytest.mark.parametrize("summed", [False, True])
def test_values_by_question_have_the_mean_of_values(summed):
    p = np.array([[[0.25, 0.5, 0.75]], [[0.5, 0.125, 0.75]]], "float32")
    y = np.array([[[1, 0, 1]], [[0, 0, 0]]], "float32")
    loss = (
        tpl.SummedBinaryCrossentropy()
        if summed
        else keras.losses.BinaryCrossentropy()
    )
    expected = -np.log(np.where(y == 1, p, 1 - p)) * (3 if summed else 1)

    found = rows.values_by_question(loss, tf.constant(y), tf.constant(p))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(
        tf.reduce_mean(found, axis=-1),
        rows.values(loss, tf.constant(y), tf.constant(p)),
        rtol=1e-5,
    )


# Weights meet rows.


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
def test_weights_of_any_dtype_become_floats(dtype):
    found = rows.like(tf.cast([0, 1, 1], dtype), tf.zeros([3, 4]))

    assert found.dtype == tf.float32
    np.testing.assert_array_equal(found, [[0], [1], [1]])


def test_products_have_the_shape_of_the_positions():
    positions = tf.zeros([2, 3])
    mask = tf.constant([[True, True, False], [True, False, False]])
    by_row = tf.constant([2.0, 3.0])

    np.testing.assert_array_equal(
        rows.product(positions, None, mask, by_row), [[2, 2, 0], [3, 0, 0]]
    )
    np.testing.assert_array_equal(
        rows.product(positions, by_row), [[2, 2, 2], [3, 3, 3]]
    )
    assert rows.product(positions, None, None) is None


def test_counting():
    positions = tf.zeros([2, 3])

    assert float(rows.count(positions)) == 6
    assert float(rows.count(positions, tf.fill([2, 3], 0.5))) == 3


@pytest.mark.parametrize(
    ("reduction", "expected"),
    # By hand: mask, weights 2 and 3, the first row counts half.
    [
        ("sum_over_batch_size", 2 * 0.5 + 1),
        ("mean_with_sample_weight", 2 * 0.5 * 2 + 3),
        ("sum", 1),
    ],
)
def test_what_a_mean_divides_by(reduction, expected):
    found = rows.divisor(
        CE(reduction=reduction),
        tf.zeros([2, 3]),
        tf.constant([[True, True, False], [True, False, False]]),
        tf.constant([2.0, 3.0]),
        tf.constant([[0.5, 0.5, 0.5], [1.0, 1.0, 1.0]]),
    )
    assert float(found) == expected


def _context(weight=None, accepted=None, mask=None, mean="all"):
    return types.SimpleNamespace(
        beliefs=beliefs_of(np.eye(3))._replace(weight=accepted),
        unlabeled=types.SimpleNamespace(weight=weight),
        mask_u=mask,
        mean=mean,
    )


VALUES = tf.constant([1.0, 2.0, 4.0])


@pytest.mark.parametrize(
    ("arguments", "total", "size"),
    [
        ({}, 7, 3),
        ({"accepted": [1.0, 0, 0.5]}, 3, 3),
        ({"accepted": [1.0, 0, 0.5], "mean": "accepted"}, 3, 1.5),
        ({"accepted": [0.0, 0, 0], "mean": "accepted"}, 0, 0),
        ({"weight": [3, 1, 0]}, 5, 3),
        ({"mask": [True, True, False]}, 3, 2),
        ({"mask": [True, True, False], "accepted": [0.0, 1, 1]}, 2, 2),
        (
            {
                "mask": [True, True, False],
                "accepted": [0.0, 1, 1],
                "mean": "accepted",
            },
            2,
            1,
        ),
        ({"mean": "accepted"}, 7, 3),  # All count.
    ],
)
def test_sums_over_unlabeled_rows(arguments, total, size):
    tensors = {
        name: value if name == "mean" else tf.constant(value)
        for name, value in arguments.items()
    }
    found = rows.summed(CE(), VALUES, _context(**tensors))

    assert [float(value) for value in found] == [total, size]


def test_a_class_that_the_loss_ignores_counts_nowhere():
    """Its rows have a loss of 0, and are not divided by."""
    model = model_of(loss=CE(from_logits=True, ignore_class=1))
    context = passed(model)
    p = softmax(context.scores_u.numpy())
    kept = p.argmax(axis=-1) != 1
    total, size = rows.loss_of_pseudo_labels(model.loss, context)

    assert 0 < kept.sum() < len(X_U)
    assert float(size) == kept.sum()
    np.testing.assert_allclose(
        total, -np.log(p.max(axis=-1))[kept].sum(), rtol=1e-5
    )


def test_one_number_for_all_rows_weighs_all_rows():
    def mean(y, scores):
        return tf.reduce_mean(CE(True, reduction=None)(y, scores))

    total, size = rows.loss_of_pseudo_labels(
        rows.as_loss(mean), passed(model_of())
    )
    p = softmax(model_of().classifier(X_U).numpy())

    assert float(size) == len(X_U)
    np.testing.assert_allclose(
        total / size, -np.log(p.max(axis=-1)).mean(), rtol=1e-5
    )


# From the stream's weights to the loss, through the border.


@pytest.mark.parametrize(
    "weight",
    [
        WEIGHT_U,
        WEIGHT_U[:, None],
        WEIGHT_U.astype("float64")[:, None],
        np.arange(12),
    ],
    ids=lambda weight: f"{weight.dtype}-{weight.ndim}",
)
def test_weights_of_every_shape_and_dtype_weigh_their_row(weight):
    """(n, 1) must not become n x n, nor float64 an error."""
    model = model_of(selection=tpl.Threshold(0.7))
    p = softmax(model.classifier(X_U).numpy())
    accepted = p.max(axis=-1) >= 0.7
    expected = (accepted * weight.ravel() * -np.log(p.max(axis=-1))).mean()
    unlabeled = X_U, np.full(12, -1), weight
    logs = eager_updates(model, streams(unlabeled=unlabeled))

    assert logs["unlabeled_loss"] == pytest.approx(expected, rel=1e-5)
    there = weight.ravel() > 0
    assert logs["coverage"] == pytest.approx(accepted[there].mean())


TOKENS = np.array([[1, 2, 3, 4], [5, 1, 2, 0]])
TOKENS_U = np.array([[3, 0, 0, 0], [4, 2, 5, 0], [1, 3, 0, 0]])
THERE = TOKENS_U > 0


@pytest.mark.parametrize("mean", ["all", "accepted"])
@pytest.mark.parametrize(
    "weight",
    [
        None,
        np.array([0.5, 2.0, 1.0], "float32"),
        np.random.default_rng(0).uniform(0.5, 2, (3, 4)).astype("float32"),
    ],
    ids=["unweighted", "by row", "by token"],
)
def test_padding_is_neither_selected_nor_divided_by(mean, weight):
    classifier = token_network()
    p = softmax(classifier(TOKENS_U).numpy())
    threshold = float(np.median(p.max(axis=-1)[THERE]))
    accepted = THERE & (p.max(axis=-1) >= threshold)
    model = model_of(classifier, selection=tpl.Threshold(threshold, mean))
    weighed = accepted * np.ones(THERE.shape)
    unlabeled = [TOKENS_U]
    if weight is not None:
        weighed *= weight if weight.ndim == 2 else weight[:, None]
        unlabeled += [np.full((3, 4), -1), weight]
    divisor = accepted.sum() if mean == "accepted" else THERE.sum()
    expected = (weighed * -np.log(p.max(axis=-1))).sum() / divisor
    logs = eager_updates(model, streams((TOKENS, TOKENS % 3), tuple(unlabeled)))

    assert 0 < accepted.sum() < THERE.sum()
    assert logs["unlabeled_loss"] == pytest.approx(expected, rel=1e-5)
    assert logs["coverage"] == pytest.approx(accepted.sum() / THERE.sum())
