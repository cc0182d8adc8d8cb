import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.update import passes

RNG = np.random.default_rng(0)
X = RNG.normal(1.0, 2.0, size=(6, 4)).astype("float32")
X_U = RNG.normal(-3.0, 0.5, size=(10, 4)).astype("float32")
BOTH = np.concatenate([X, X_U])
Y = np.array([0, 1, 2, 0, 1, 2])
EPSILON, MOMENTUM = 1e-3, 0.99  # Keras' defaults.


def _model(batch_norm="separate", **kwargs):
    """Normalizes its inputs, and no more."""
    classifier = keras.Sequential(
        [keras.Input((4,)), keras.layers.BatchNormalization()]
    )
    return tpl.PseudoLabelModel(classifier, batch_norm=batch_norm, **kwargs)


def _scores(model, name, x, x_u):
    return [
        scores if scores is None else scores.numpy()
        for scores in passes.PASSES[name](model, x, x_u)
    ]


def _normalized(rows, by=None):
    by = rows if by is None else by
    return (rows - by.mean(axis=0)) / np.sqrt(by.var(axis=0) + EPSILON)


def _moved(*batches):
    """Moving mean and variance, from 0 and 1, after a pass of each batch."""
    mean, variance = np.zeros(4), np.ones(4)
    for batch in batches:
        mean = MOMENTUM * mean + (1 - MOMENTUM) * batch.mean(axis=0)
        variance = MOMENTUM * variance + (1 - MOMENTUM) * batch.var(axis=0)
    return mean, variance


def _assert_moved(model, *batches):
    layer = model.classifier.layers[0]
    found = layer.moving_mean, layer.moving_variance
    for value, expected in zip(found, _moved(*batches), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)


# One pass, or one of each batch.


@pytest.mark.parametrize("name", ["separate", "labeled"])
def test_each_batch_is_normalized_on_its_own(name):
    scores, scores_u = _scores(_model(), name, X, X_U)

    np.testing.assert_allclose(scores, _normalized(X), atol=1e-5)
    np.testing.assert_allclose(scores_u, _normalized(X_U), atol=1e-5)


def test_joint_batches_are_normalized_together():
    scores, scores_u = _scores(_model(), "joint", X, X_U)

    np.testing.assert_allclose(scores, _normalized(X, BOTH), atol=1e-5)
    np.testing.assert_allclose(scores_u, _normalized(X_U, BOTH), atol=1e-5)


# The three differ in what is left behind.

LEFT_BEHIND = {"separate": (X, X_U), "labeled": (X,), "joint": (BOTH,)}


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_what_moving_statistics_follow(name):
    model = _model()
    _scores(model, name, X, X_U)

    _assert_moved(model, *LEFT_BEHIND[name])


@pytest.mark.parametrize(
    ("name", "teacher"),
    [
        ("separate", "inference"),
        ("labeled", "lagged"),
        ("joint", "inference"),
        ("joint", "training"),
    ],
)
def test_moving_statistics_after_an_update(name, teacher):
    """The teacher's pass leaves nothing behind."""
    model = _model(name, teacher=teacher)
    _update(model)

    _assert_moved(model, *LEFT_BEHIND[name])


def _update(model):
    model.compile(
        keras.optimizers.SGD(0.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.alpha.assign(1.0)
    streams = (
        tf.data.Dataset.from_tensor_slices(arrays).batch(16)
        for arrays in ((X, Y), X_U)
    )
    model.fit(tpl.merge_streams(*streams), verbose=0)


def test_labeled_leaves_exactly_what_the_labels_alone_would():
    model, alone = _model("labeled"), _model()
    _update(model)
    alone.classifier(X, training=True)

    layer, expected = (m.classifier.layers[0] for m in (model, alone))
    np.testing.assert_array_equal(layer.moving_mean, expected.moving_mean)
    np.testing.assert_array_equal(
        layer.moving_variance, expected.moving_variance
    )


def test_labeled_finds_normalization_inside_other_layers():
    block = keras.Sequential(
        [keras.layers.Dense(4), keras.layers.BatchNormalization()]
    )
    inputs = keras.Input((4,))
    classifier = keras.Model(inputs, block(inputs))
    model = tpl.PseudoLabelModel(classifier, batch_norm="labeled")
    _scores(model, "labeled", None, X_U)

    np.testing.assert_array_equal(block.layers[1].moving_mean, np.zeros(4))
    np.testing.assert_array_equal(block.layers[1].moving_variance, np.ones(4))


def test_labeled_keeps_the_states_of_other_layers():
    """Dropout must not drop the same units of every unlabeled batch."""
    classifier = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dropout(0.5)]
    )
    model = tpl.PseudoLabelModel(classifier, batch_norm="labeled")
    ones = np.ones((10, 4), "float32")
    _, first = _scores(model, "labeled", None, ones)
    _, second = _scores(model, "labeled", None, ones)

    assert (first != second).any()


# A part without rows.


@pytest.mark.parametrize("name", LEFT_BEHIND)
@pytest.mark.parametrize("absent", ["labeled", "unlabeled", "both"])
def test_an_absent_part_is_not_passed(name, absent):
    x = X if absent == "unlabeled" else None
    x_u = X_U if absent == "labeled" else None
    model = _model()
    scores = _scores(model, name, x, x_u)

    for found, batch in zip(scores, (x, x_u), strict=True):
        if batch is None:
            assert found is None
        else:
            np.testing.assert_allclose(found, _normalized(batch), atol=1e-5)
    left = [x] if x is not None else []
    if x_u is not None and name != "labeled":
        left.append(x_u)
    _assert_moved(model, *left)


# Inputs of any kind.


def test_joint_takes_nested_inputs():
    first, second = (
        keras.Input((n,), name=name) for name, n in (("a", 4), ("b", 2))
    )
    classifier = keras.Model(
        {"a": first, "b": second},
        keras.layers.Concatenate()([first, second]),
    )
    model = tpl.PseudoLabelModel(classifier, batch_norm="joint")
    x, x_u = ({"a": v, "b": v[:, :2]} for v in (X, X_U))
    scores, scores_u = _scores(model, "joint", x, x_u)

    np.testing.assert_array_equal(scores, np.hstack([X, X[:, :2]]))
    np.testing.assert_array_equal(scores_u, np.hstack([X_U, X_U[:, :2]]))


def test_masked_values_count_no_more_in_a_joint_pass():
    """Without normalization, one pass is worth two."""
    tokens = np.array([[1, 2, 3, 4], [5, 1, 2, 0]])
    tokens_u = np.array([[3, 0, 0, 0], [4, 2, 0, 0]])

    def losses(name):
        keras.utils.set_random_seed(1)
        model = tpl.PseudoLabelModel(
            keras.Sequential(
                [
                    keras.Input((4,), dtype="int64"),
                    keras.layers.Embedding(6, 3, mask_zero=True),
                ]
            ),
            batch_norm=name,
        )
        model.compile(
            keras.optimizers.SGD(0.0),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        model.alpha.assign(1.0)
        streams = (
            tf.data.Dataset.from_tensor_slices(arrays).batch(2)
            for arrays in ((tokens, tokens % 3), tokens_u)
        )
        logs = model.fit(tpl.merge_streams(*streams), verbose=0).history
        return logs["labeled_loss"] + logs["unlabeled_loss"]

    np.testing.assert_allclose(losses("joint"), losses("separate"), rtol=1e-5)


def test_names():
    assert set(passes.PASSES) == set(LEFT_BEHIND)
