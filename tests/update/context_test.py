import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import (
    ONE_HOT,
    X_U,
    Y_U,
    X,
    Y,
    context_of,
    linear,
    model_of,
    passed,
    softmax,
    token_network,
)
from tf_pseudolabel.part import Progress
from tf_pseudolabel.views import Viewed

RNG = np.random.default_rng(0)
A = RNG.normal(1.0, 2.0, size=(6, 4)).astype("float32")
B = RNG.normal(-3.0, 0.5, size=(10, 4)).astype("float32")
STRONG = RNG.normal(5.0, 3.0, size=(10, 4)).astype("float32")
LABELS = np.array([0, 1, 2, 0, 1, 2])
LIKE = np.zeros(1, "int64")
EPSILON, MOMENTUM = 1e-3, 0.99  # Keras' defaults.


def _model(batch_norm="auto", **choices):
    """Normalizes its inputs, and no more."""
    classifier = keras.Sequential(
        [keras.Input((4,)), keras.layers.BatchNormalization()]
    )
    return model_of(classifier, batch_norm=batch_norm, **choices)


def _passed(model, a=A, b=B):
    return passed(
        model,
        None if a is None else (a, LABELS),
        None if b is None else (b,),
        like=LIKE,
    )


def _normalized(rows, *by):
    by = np.concatenate(by) if by else rows
    return (rows - by.mean(axis=0)) / np.sqrt(by.var(axis=0) + EPSILON)


def _assert_moved(model, *batches):
    """Moving mean and variance, from 0 and 1, after a pass of each batch."""
    mean, variance = np.zeros(4), np.ones(4)
    for batch in batches:
        mean = MOMENTUM * mean + (1 - MOMENTUM) * batch.mean(axis=0)
        variance = MOMENTUM * variance + (1 - MOMENTUM) * batch.var(axis=0)
    layer = model.classifier.layers[0]
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-5)


def _close(found, expected, **tolerance):
    np.testing.assert_allclose(found, expected, **{"atol": 1e-5, **tolerance})


# One pass, or one of each batch.

BOTH = np.concatenate([A, B])
LEFT_BEHIND = {
    "separate": (A, B),
    "labeled": (A,),
    "joint": (BOTH,),
    "auto": (BOTH,),
}


@pytest.mark.parametrize("teacher", ["inference", "training", "lagged"])
@pytest.mark.parametrize("batch_norm", LEFT_BEHIND)
def test_what_is_normalized_and_what_is_left_behind(batch_norm, teacher):
    """The teacher's pass leaves nothing behind."""
    model = _model(batch_norm, teacher=teacher)
    context = _passed(model)

    by = [A, B] if batch_norm in ("joint", "auto") else []
    _close(context.scores, _normalized(A, *by))
    _close(context.scores_u, _normalized(B, *by))
    _assert_moved(model, *LEFT_BEHIND[batch_norm])


def test_labeled_leaves_exactly_what_the_labels_alone_would():
    model, alone = _model("labeled"), _model()
    _passed(model)
    alone.classifier(A, training=True)

    for found, expected in zip(
        model.classifier.get_weights(),
        alone.classifier.get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def test_labeled_finds_normalization_inside_other_layers():
    block = keras.Sequential(
        [keras.layers.Dense(4), keras.layers.BatchNormalization()]
    )
    inputs = keras.Input((4,))
    model = model_of(keras.Model(inputs, block(inputs)), batch_norm="labeled")
    _passed(model, a=None)

    np.testing.assert_array_equal(block.layers[1].moving_mean, np.zeros(4))
    np.testing.assert_array_equal(block.layers[1].moving_variance, np.ones(4))


def test_labeled_keeps_the_states_of_other_layers():
    """Dropout must not drop the same units of every unlabeled batch."""
    classifier = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dropout(0.5)]
    )
    model = model_of(classifier, batch_norm="labeled")
    ones = np.ones((10, 4), "float32")
    first, second = (_passed(model, None, ones).scores_u for _ in range(2))

    assert (first != second).numpy().any()


@pytest.mark.parametrize("batch_norm", ["separate", "labeled", "joint"])
@pytest.mark.parametrize("absent", ["labeled", "unlabeled", "both"])
def test_an_absent_part_is_not_passed(batch_norm, absent):
    a = A if absent == "unlabeled" else None
    b = B if absent == "labeled" else None
    model = _model(batch_norm)
    context = _passed(model, a, b)

    for found, batch in ((context.scores, a), (context.scores_u, b)):
        if batch is None:
            assert found is None
        else:
            _close(found, _normalized(batch))
    assert (context.beliefs is None) is (b is None)
    left = [A] if a is not None else []
    if b is not None and batch_norm != "labeled":
        left.append(B)
    _assert_moved(model, *left)


# Two views.


def test_without_normalization_the_weak_rows_pass_without_a_gradient():
    """What passes together is the same mathematics then, and costs more."""
    model = model_of(linear(), batch_norm="joint", teacher="training")
    seen = []
    call = model.classifier.call

    def counted(x, *args, **kwargs):
        seen.append(len(x))
        return call(x, *args, **kwargs)

    model.classifier.call = counted
    context = passed(model, labeled=(A, LABELS), unlabeled=(Viewed(B, STRONG),))

    assert seen == [len(B), len(A) + len(STRONG)]
    logits = [model.classifier(x).numpy() for x in (A, STRONG, B)]
    np.testing.assert_allclose(context.scores, logits[0], rtol=1e-5)
    np.testing.assert_allclose(context.scores_u, logits[1], rtol=1e-5)
    np.testing.assert_allclose(
        context.beliefs.raw, softmax(logits[2]), rtol=1e-5
    )


def test_a_teacher_in_the_joint_pass_has_the_weak_rows_pass_along():
    """Labeled, strong and weak rows are normalized together."""
    model = _model("joint", teacher="training")
    context = _passed(model, b=Viewed(B, STRONG))
    every = A, STRONG, B

    _close(context.scores, _normalized(A, *every))
    _close(context.scores_u, _normalized(STRONG, *every))
    _close(context.beliefs.scores, _normalized(B, *every))
    _assert_moved(model, np.concatenate(every))


@pytest.mark.parametrize("teacher", ["inference", "lagged"])
def test_a_teacher_of_its_own_has_the_weak_rows_pass_alone(teacher):
    model = _model("joint", teacher=teacher)
    if teacher == "lagged":
        model.teacher.begin(Progress(model.classifier, 0))
    context = _passed(model, b=Viewed(B, STRONG))

    _close(context.scores_u, _normalized(STRONG, A, STRONG))
    # Moving statistics as they were: mean 0, variance 1.
    _close(context.beliefs.scores, B / np.sqrt(1 + EPSILON), rtol=1e-4)
    _assert_moved(model, np.concatenate([A, STRONG]))


@pytest.mark.parametrize("batch_norm", ["separate", "labeled"])
def test_the_weak_pass_of_separate_batches_moves_nothing(batch_norm):
    model = _model(batch_norm, teacher="training")
    context = _passed(model, b=Viewed(B, STRONG))

    _close(context.scores_u, _normalized(STRONG))
    _close(context.beliefs.scores, _normalized(B))
    _assert_moved(model, A, *([STRONG] if batch_norm == "separate" else []))


# Beliefs.


@pytest.mark.parametrize("teacher", ["inference", "training"])
@pytest.mark.parametrize("batch_norm", ["separate", "joint"])
def test_what_is_believed(teacher, batch_norm):
    model = model_of(teacher=teacher, batch_norm=batch_norm)
    with tf.GradientTape() as tape:
        beliefs = passed(model).beliefs
        total = tf.add_n(
            [
                tf.reduce_sum(value)
                for value in (beliefs.scores, beliefs.raw, beliefs.confidence)
            ]
        )
    scores = model.classifier(X_U).numpy()
    p = softmax(scores)

    _close(beliefs.scores, scores)
    _close(beliefs.raw, p)
    assert beliefs.probabilities is beliefs.raw
    np.testing.assert_array_equal(beliefs.ids, p.argmax(axis=-1))
    _close(beliefs.confidence, p.max(axis=-1))
    np.testing.assert_array_equal(beliefs.target, beliefs.ids)
    kernel = model.classifier.weights[0].value
    assert tape.gradient(total, kernel) is None


def test_ids_are_those_of_the_largest_score_where_probabilities_round():
    classifier = keras.Sequential([keras.Input((3,)), keras.layers.Identity()])
    loss = tpl.SummedBinaryCrossentropy(from_logits=True)
    rows = np.array([[20.0, 30.0, 90.0]], "float32")
    beliefs = passed(
        model_of(classifier, loss), None, (rows,), like=LIKE
    ).beliefs

    np.testing.assert_array_equal(beliefs.probabilities, [[1, 1, 1]])
    assert beliefs.ids.numpy().tolist() == [2]


def test_hidden_labels_change_nothing_that_is_believed():
    first, second = (
        passed(model_of(), unlabeled=(X_U, hidden)).beliefs
        for hidden in (Y_U, (Y_U + 1) % 3)
    )
    for a, b in zip(first, second, strict=True):
        if a is not None:
            np.testing.assert_array_equal(a, b)


def test_pseudo_labels_have_the_form_of_the_labels():
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    for like, shape in (
        (ONE_HOT[Y], (12, 3)),
        (ONE_HOT[Y].astype("float64"), (12, 3)),
        (Y.astype("uint8"), (12,)),
        (Y[:, None], (12, 1)),
    ):
        target = passed(model_of(loss=loss), (X, like)).beliefs.target
        assert target.shape == shape
        assert target.dtype == like.dtype


# Masks.

TOKENS = np.array([[1, 2, 3, 4], [5, 1, 2, 0]])
TOKENS_U = np.array([[3, 0, 0, 0], [4, 2, 5, 0], [1, 3, 0, 0]])


@pytest.mark.parametrize("batch_norm", ["separate", "joint"])
@pytest.mark.parametrize("teacher", ["inference", "training"])
@pytest.mark.parametrize("traced", [False, True])
def test_masks_survive(batch_norm, teacher, traced):
    model = model_of(token_network(), batch_norm=batch_norm, teacher=teacher)

    def update():
        context = passed(model, (TOKENS, TOKENS % 3), (TOKENS_U,))
        loss = model.loss(context.labeled.y, context.scores)
        return context.mask, context.mask_u, loss

    mask, mask_u, loss = (tf.function(update) if traced else update)()
    np.testing.assert_array_equal(mask, TOKENS > 0)
    np.testing.assert_array_equal(mask_u, TOKENS_U > 0)
    # Keras' losses and metrics find it on the scores.
    p = softmax(model.classifier(TOKENS).numpy())
    right = np.take_along_axis(p, (TOKENS % 3)[..., None], axis=-1)[..., 0]
    assert float(loss) == pytest.approx(
        -np.log(right[TOKENS > 0]).mean(), rel=1e-5
    )


def test_without_a_mask_there_is_none():
    context = passed(model_of())

    assert context.mask is context.mask_u is None


# Inputs of any kind, rows that are borrowed.


@pytest.mark.parametrize("batch_norm", ["separate", "joint"])
def test_nested_inputs(batch_norm):
    first, second = (
        keras.Input((n,), name=name) for name, n in (("a", 4), ("b", 2))
    )
    classifier = keras.Model(
        {"a": first, "b": second},
        keras.layers.Concatenate()([first, second]),
    )
    model = model_of(classifier, batch_norm=batch_norm)
    a, b = ({"a": v, "b": v[:, :2]} for v in (A, B))
    context = _passed(model, a, b)

    np.testing.assert_array_equal(context.scores, np.hstack([A, A[:, :2]]))
    np.testing.assert_array_equal(context.scores_u, np.hstack([B, B[:, :2]]))


@pytest.mark.parametrize("batch_norm", ["separate", "joint"])
@pytest.mark.parametrize("teacher", ["inference", "training"])
def test_a_borrowed_row_is_in_nothing(batch_norm, teacher):
    """Half of the rows of these batches are the replica's own."""
    model = model_of(batch_norm=batch_norm, teacher=teacher)
    context = passed(model, unlabeled=(X_U[:1], Y_U[:1]), own=(8, 0))

    assert context.scores.shape == (8, 3)
    assert context.scores_u.shape == (0, 3)
    assert context.beliefs.ids.shape == (0,)
    assert context.unlabeled.y.shape == (0,)
    context = passed(model, (X[:1], Y[:1]), own=(0, 12))
    assert context.scores.shape == (0, 3)
    _close(context.scores_u, model.classifier(X_U))


def test_a_joint_pass_borrows_no_row():
    """There are labeled ones, which alone must be normalized."""
    model = _model("joint")
    context = passed(model, (A, LABELS), (B[:1],), own=(6, 0))

    _close(context.scores, _normalized(A))
    assert context.scores_u.shape == (0, 4)
    _assert_moved(model, A)


# Sums over both batches, and more passes.


def test_sums_over_both():
    model = model_of(token_network())
    context = passed(model, (TOKENS, TOKENS % 3), (TOKENS_U,))
    total, rows = context.sum_over_both(lambda found: found.probabilities)
    both = np.concatenate([TOKENS, TOKENS_U])
    p = softmax(model.classifier(both).numpy())

    assert float(rows) == (both > 0).sum()
    _close(total, p[both > 0].sum(axis=0))


def test_parts_may_ask_for_more_passes():
    model = _model()
    context = context_of(model, (A, LABELS), (B,))
    inference = context.forward(tf.constant(B), training=False)
    unmoved = context.forward(tf.constant(B), moving=False)

    _close(inference, B / np.sqrt(1 + EPSILON), rtol=1e-4)
    _close(unmoved, _normalized(B))
    _assert_moved(model)
    context.forward(tf.constant(B))
    _assert_moved(model, B)


def test_a_pass_is_the_same_for_all_terms():
    """Passes are made once: two calls of one context are one update."""
    context = context_of(model_of(linear(), batch_norm="joint"))
    context.pass_labeled()
    scores = context.scores_u
    context.pass_unlabeled()

    assert context.scores_u is scores
