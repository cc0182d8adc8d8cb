"""A class for every position: updates of pixels and tokens by hand.

Networks are tables of logits, so that the gradient of a row of the table is the
sum of those of its positions.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import (
    CLASSES,
    ONE_HOT,
    dataset,
    eager_updates,
    entropy,
    model_of,
    softmax,
)

RNG = np.random.default_rng(0)
VOID = 255
KINDS, ALPHA, RATE = 7, 0.7, 0.5
# 2 rows of 3 x 4 pixels; 4 rows of 5 tokens, of which 0 is padding.
ROWS = {"pixels": (2, 3, 4), "tokens": (4, 5)}


def _table(shape, mask_zero):
    keras.utils.set_random_seed(1)
    initializer = keras.initializers.RandomNormal(stddev=1.0, seed=1)
    return keras.Sequential(
        [
            keras.Input(shape[1:], dtype="int64"),
            keras.layers.Embedding(
                KINDS,
                CLASSES,
                mask_zero=mask_zero,
                embeddings_initializer=initializer,
            ),
        ]
    )


def _over(weight, shape):
    """Weights of rows or of positions, one for each position."""
    axes = (1,) * (len(shape) - weight.ndim)
    return np.broadcast_to(weight.reshape(*weight.shape, *axes), shape)


def _weights(shape, by_position):
    found = RNG.uniform(0.5, 2.0, size=shape if by_position else shape[:1])
    return found.astype("float32")


FORMS = {
    "ids": lambda y: y,
    "column": lambda y: y[..., None],
    "one-hot": lambda y: ONE_HOT[y],
}


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("by_position", [False, True])
@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"]
)
def test_one_sgd_step_by_hand(kind, form, by_position, reduction):
    """Tokens are masked; of pixels some have no class, where ids can say so."""
    shape = ROWS[kind]
    masks, ignores = kind == "tokens", kind == "pixels" and form != "one-hot"
    x, x_u = (RNG.integers(KINDS, size=shape) for _ in range(2))
    y = RNG.integers(CLASSES, size=shape)
    hidden = RNG.integers(-1, CLASSES, size=shape)
    there, there_u = (
        (inputs > 0 if masks else np.ones(shape, bool)) for inputs in (x, x_u)
    )
    labels = FORMS[form](y)
    if ignores:
        void = RNG.uniform(size=shape) < 0.3
        there = there & ~void
        labels = FORMS[form](np.where(void, VOID, y).astype("uint8"))
    weight, weight_u = (_weights(shape, by_position) for _ in range(2))
    loss = (
        keras.losses.CategoricalCrossentropy(True, reduction=reduction)
        if form == "one-hot"
        else keras.losses.SparseCategoricalCrossentropy(
            from_logits=True,
            ignore_class=VOID if ignores else None,
            reduction=reduction,
        )
    )
    model = model_of(
        _table(shape, masks),
        loss,
        RATE,
        ALPHA,
        selection=tpl.Threshold(0.6, "accepted"),
    )
    (table,) = model.classifier.get_weights()
    p = softmax(table.astype("float64"))
    ids = p.argmax(axis=-1)[x_u]
    counts = there_u & (p.max(axis=-1)[x_u] >= 0.6)
    assert 0 < counts.sum() < there_u.sum()

    parts, losses = [], []
    for inputs, target, counted, weighs in (
        (x, y, there, _over(weight, shape)),
        (x_u, ids, counts, _over(weight_u, shape)),
    ):
        each = counted * weighs
        size = {
            "sum": 1,
            "sum_over_batch_size": counted.sum(),
            "mean_with_sample_weight": each.sum(),
        }[reduction]
        losses.append((-np.log(p[inputs, target]) * each).sum() / size)
        parts.append(
            (inputs, each[..., None] * (p[inputs] - ONE_HOT[target]) / size)
        )
    expected = table.astype("float64")
    for (inputs, gradient), scale in zip(parts, (1, ALPHA), strict=True):
        np.add.at(expected, inputs, -RATE * scale * gradient)

    logs = eager_updates(
        model,
        tpl.merge_streams(
            dataset(x, labels, weight), dataset(x_u, hidden, weight_u)
        ),
    )
    assert logs["labeled_loss"] == pytest.approx(losses[0], rel=1e-5)
    assert logs["unlabeled_loss"] == pytest.approx(losses[1], rel=1e-5)
    np.testing.assert_allclose(
        model.classifier.get_weights()[0], expected, atol=2e-6
    )

    found = model.statistics.summary()
    known = there_u & (hidden >= 0)
    assert found["coverage"] == pytest.approx(counts.sum() / there_u.sum())
    assert found["confidence"] == pytest.approx(
        p.max(axis=-1)[x_u][there_u].mean(), rel=1e-5
    )
    assert found["entropy"] == pytest.approx(
        entropy(p)[x_u][there_u].mean(), rel=1e-4
    )
    assert found["pseudo_label_accuracy"] == pytest.approx(
        (ids == hidden)[known].mean()
    )
    for name, classes in (
        ("class_shares", ids[counts]),
        ("labeled_shares", y[there]),
    ):
        shares = np.bincount(classes, minlength=CLASSES) / classes.size
        np.testing.assert_allclose(found[name], shares, rtol=1e-6)


@pytest.mark.parametrize("kind", ROWS)
def test_weights_without_labels(kind):
    """An element (x, None, weight): nothing is known of any position."""
    shape = ROWS[kind]
    x, y = RNG.integers(KINDS, size=shape), RNG.integers(CLASSES, size=shape)
    weight = np.arange(shape[0], dtype="float32")
    unlabeled = dataset(x, weight).map(lambda x, weight: (x, None, weight))
    model = model_of(_table(shape, True))

    logs = eager_updates(model, tpl.merge_streams(dataset(x, y), unlabeled))
    assert np.isfinite(logs["unlabeled_loss"])
    assert "pseudo_label_accuracy" not in logs
    assert np.isnan(model.statistics.summary()["pseudo_label_accuracy"])


def test_shares_of_the_classes_of_tokens():
    shape = ROWS["tokens"]
    tokens = np.concatenate([np.zeros((1, 5), int), np.ones((3, 5), int)])
    tokens[1:] = RNG.integers(KINDS, size=(3, 5))
    model = model_of(_table(shape, True), selection=tpl.TopShare())
    scheduler = tpl.ShareScheduler(lambda epoch: 0.5, tokens)
    scheduler.set_model(model)
    scheduler.on_epoch_begin(0)
    p = softmax(model.classifier(tokens).numpy())[tokens > 0]

    for number, found in enumerate(model.selection.thresholds.numpy()):
        sure = np.sort(p.max(axis=-1)[p.argmax(axis=-1) == number])[::-1]
        expected = sure[(len(sure) + 1) // 2 - 1] if len(sure) else 0
        assert found == pytest.approx(expected, rel=1e-5)


def test_many_classes_are_told_by_ids_alone():
    """Of no position there is a second array of its 2000 classes as labels."""
    classes, shape = 2000, (2, 3)
    keras.utils.set_random_seed(1)
    network = keras.Sequential(
        [keras.Input((3,), dtype="int64"), keras.layers.Embedding(9, classes)]
    )
    model = model_of(network, selection=tpl.Threshold(0.0))
    y = RNG.integers(classes, size=shape)
    streams = tpl.merge_streams(
        dataset(RNG.integers(9, size=shape), y),
        dataset(RNG.integers(9, size=shape), y),
    )
    model.optimizer.build(model.trainable_variables)
    step = tf.function(model.train_step, autograph=False)
    graph = step.get_concrete_function(next(iter(streams))).graph

    assert not [
        op.name
        for op in graph.get_operations()
        if op.type == "OneHot" and op.outputs[0].shape[-1] == classes
    ]
