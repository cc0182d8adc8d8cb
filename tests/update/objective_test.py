import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import (
    CLASSES,
    ONE_HOT,
    ROWS_U,
    WEIGHT_U,
    X_U,
    Y_U,
    X,
    Y,
    context_of,
    dataset,
    eager_updates,
    entropy,
    linear,
    model_of,
    normalizing,
    softmax,
    streams,
    token_network,
)
from tf_pseudolabel.part import Progress
from tf_pseudolabel.update.objective import objective

ALPHA = 0.7
LIKE = np.zeros(1, "int64")
CATEGORICAL = keras.losses.CategoricalCrossentropy
SPARSE = keras.losses.SparseCategoricalCrossentropy
# Weights as they are at first, and what the network says of unlabeled rows.
KERNEL, BIAS = (w.astype("float64") for w in linear().get_weights())
P_U = softmax(X_U @ KERNEL + BIAS)
HARD = ONE_HOT[P_U.argmax(axis=-1)]
SURE = P_U.max(axis=-1)
# Half of the rows reach it.
THRESHOLD = float(np.sort(SURE)[ROWS_U // 2 - 1 : ROWS_U // 2 + 1].mean())
ACCEPTED = (SURE >= THRESHOLD).astype("float64")


def _minimized(model, labeled=(X, Y), unlabeled=(X_U,), alpha=ALPHA, **kwargs):
    """The objective of one update, and its gradients.

    Keras' part of it, the labeled loss, is as in a model's `train_step`.
    """
    context = context_of(model, labeled, unlabeled, alpha, **kwargs)
    with tf.GradientTape() as tape:
        context.pass_labeled()
        loss = tf.zeros([])
        if context.labeled is not None:
            x, y, weight = context.labeled[:3]
            loss = model.compute_loss(x, y, context.scores, weight)
        context.pass_unlabeled()
        found = objective(context, loss)
    weights = [w.value for w in model.classifier.trainable_weights]
    return found, tape.gradient(found.loss, weights)


# The oracle: losses in NumPy, and their derivatives by central differences.


def _cross_entropies(x, targets, kernel, bias):
    return -(targets * np.log(softmax(x @ kernel + bias))).sum(axis=-1)


def _labeled_loss(kernel, bias):
    return _cross_entropies(X, ONE_HOT[Y], kernel, bias).mean()


def _gradients(loss, step=1e-5):
    gradients = []
    for which, array in enumerate((KERNEL, BIAS)):
        gradient = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            values = []
            for sign in (1, -1):
                moved = [KERNEL.copy(), BIAS.copy()]
                moved[which][index] += sign * step
                values.append(loss(*moved))
            gradient[index] = (values[0] - values[1]) / (2 * step)
        gradients.append(gradient)
    return gradients


def _assert_minimizes(found, loss):
    """Value and gradients of `loss`, a function of kernel and bias."""
    minimized, gradients = found
    assert float(minimized.loss) == pytest.approx(loss(KERNEL, BIAS), rel=1e-5)
    for value, expected in zip(gradients, _gradients(loss), strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-5)


# Labeled loss + alpha · pseudo-label loss.


@pytest.mark.parametrize(
    ("reduction", "mean", "weighted"),
    [
        ("sum_over_batch_size", "all", False),
        ("sum_over_batch_size", "accepted", True),
        ("mean_with_sample_weight", "accepted", True),
        ("sum", "all", True),
    ],
)
def test_threshold_by_hand(reduction, mean, weighted):
    weight_u = WEIGHT_U if weighted else np.ones(ROWS_U)
    counted = ACCEPTED if mean == "accepted" else np.ones(ROWS_U)
    size = {
        "sum_over_batch_size": counted.sum(),
        "mean_with_sample_weight": (counted * weight_u).sum(),
        "sum": 1.0,
    }[reduction]

    def loss(*weights):
        labeled = _cross_entropies(X, ONE_HOT[Y], *weights)
        labeled = labeled.sum() if reduction == "sum" else labeled.mean()
        losses = _cross_entropies(X_U, HARD, *weights)
        return labeled + ALPHA * (ACCEPTED * weight_u * losses).sum() / size

    model = model_of(
        loss=SPARSE(from_logits=True, reduction=reduction),
        selection=tpl.Threshold(THRESHOLD, mean),
    )
    unlabeled = (X_U, Y_U, WEIGHT_U) if weighted else (X_U,)

    assert 0 < ACCEPTED.sum() < ROWS_U
    _assert_minimizes(_minimized(model, unlabeled=unlabeled), loss)


@pytest.mark.parametrize("mean", ["all", "accepted"])
def test_no_accepted_row_is_no_unlabeled_loss(mean):
    found = _minimized(model_of(selection=tpl.Threshold(1.0, mean)))

    assert float(found[0].terms[0]) == 0
    _assert_minimizes(found, _labeled_loss)


@pytest.mark.parametrize("teacher", ["inference", "training", "lagged"])
@pytest.mark.parametrize("batch_norm", ["separate", "labeled", "joint"])
def test_teachers_and_passes_without_dropout_and_normalization_agree(
    teacher, batch_norm
):
    """Then it is the same network, wherever scores come from."""
    model = model_of(
        teacher=teacher,
        batch_norm=batch_norm,
        selection=tpl.Threshold(THRESHOLD, "accepted"),
    )
    model.teacher.begin(Progress(model.classifier, 0))

    def loss(*weights):
        losses = _cross_entropies(X_U, HARD, *weights)
        return _labeled_loss(*weights) + ALPHA * losses[ACCEPTED > 0].mean()

    _assert_minimizes(_minimized(model), loss)


def test_top_share_by_hand():
    ids = P_U.argmax(axis=-1)
    thresholds = np.array([0.0, SURE[ids == 1].max() - 1e-5, 2.0])
    kept = thresholds[ids] <= SURE
    model = model_of(selection="top_share")
    model.selection.assign(thresholds.astype("float32"), 0)

    def loss(*weights):
        losses = _cross_entropies(X_U, HARD, *weights)
        return _labeled_loss(*weights) + ALPHA * losses[kept].mean()

    assert 0 < kept.sum() < ROWS_U
    _assert_minimizes(_minimized(model), loss)


def test_a_sequence_counts_token_by_token():
    """Two rows of tokens are their tokens, one by one."""
    classifier = keras.Sequential(
        [keras.Input((None, 4)), keras.layers.Dense(CLASSES)]
    )
    classifier.set_weights([KERNEL, BIAS])
    model = model_of(classifier, selection=tpl.Threshold(THRESHOLD, "accepted"))

    def loss(*weights):
        losses = _cross_entropies(X_U, HARD, *weights)
        return _labeled_loss(*weights) + ALPHA * losses[ACCEPTED > 0].mean()

    found = _minimized(
        model, (X.reshape(2, 4, 4), Y.reshape(2, 4)), (X_U.reshape(3, 4, 4),)
    )
    _assert_minimizes(found, loss)


@pytest.mark.parametrize(
    ("target", "power"), [("hard", None), ("soft", 1), ("sharpened", 2)]
)
def test_targets_by_hand(target, power):
    """No gradient flows through them, or soft ones would have another."""
    made = HARD
    if power is not None:
        made = P_U**power / (P_U**power).sum(axis=-1, keepdims=True)

    def loss(*weights):
        losses = _cross_entropies(X_U, made, *weights)
        return _labeled_loss(*weights) + ALPHA * losses.mean()

    model = model_of(loss=CATEGORICAL(from_logits=True), target=target)
    _assert_minimizes(_minimized(model, (X, ONE_HOT[Y])), loss)


# + alpha · other terms.


def _terms(kernel, bias, rows=(X, X_U), prior=0.8, sure=0.4):
    """Over the rows of both batches, as equations 4 and 5 of Arazo et al."""
    p = softmax(np.concatenate(rows) @ kernel + bias)
    return -prior * np.log(p.mean(axis=0)).mean() + sure * entropy(p).mean()


@pytest.mark.parametrize("batch_norm", ["separate", "joint"])
@pytest.mark.parametrize("kind", ["terms", "penalties"])
@pytest.mark.filterwarnings("ignore:`penalties`")
def test_terms_are_multiplied_by_alpha_and_penalties_are_not(batch_norm, kind):
    def loss(*weights):
        unlabeled = _cross_entropies(X_U, HARD, *weights).mean()
        factor = ALPHA if kind == "terms" else 1.0
        return (
            _labeled_loss(*weights)
            + ALPHA * unlabeled
            + factor * _terms(*weights)
        )

    both = [tpl.ClassPrior(0.8), tpl.MinimumEntropy(0.4)]
    found = _minimized(model_of(batch_norm=batch_norm, **{kind: both}))

    _assert_minimizes(found, loss)
    # Logged as means, neither weighed nor times alpha.
    assert [float(term) for term in found[0].terms] == [
        pytest.approx(value, rel=1e-5)
        for value in (
            -np.log(SURE).mean(),
            _terms(KERNEL, BIAS, prior=1.0, sure=0.0),
            _terms(KERNEL, BIAS, prior=0.0, sure=1.0),
        )
    ]


def test_terms_are_of_rows_that_do_not_count_too():
    model = model_of(
        selection=tpl.Threshold(1.0), terms=[tpl.MinimumEntropy(1.0)]
    )
    _assert_minimizes(
        _minimized(model),
        lambda *weights: (
            _labeled_loss(*weights)
            + ALPHA * _terms(*weights, prior=0.0, sure=1.0)
        ),
    )


@pytest.mark.parametrize("batch_norm", ["separate", "joint"])
def test_updates_without_unlabeled_rows_have_no_term(batch_norm):
    model = model_of(batch_norm=batch_norm, terms=[tpl.MinimumEntropy(1.0)])
    found = _minimized(model, unlabeled=None)

    _assert_minimizes(found, _labeled_loss)
    assert [float(term) for term in found[0].terms] == [0, 0]
    assert float(found[0].rows) == 8
    assert float(found[0].rows_u) == 0


@pytest.mark.parametrize("empty", [False, True])
def test_updates_without_labeled_rows_have_theirs(empty):
    """As alternating streams have them; empty or left out."""

    def loss(*weights):
        p = softmax(X_U @ weights[0] + weights[1])
        unlabeled = _cross_entropies(X_U, HARD, *weights).mean()
        return ALPHA * (unlabeled + entropy(p).mean())

    labeled = (X[:0], Y[:0]) if empty else None
    model = model_of(terms=[tpl.MinimumEntropy(1.0)])
    found = _minimized(model, labeled, like=LIKE)

    _assert_minimizes(found, loss)
    assert float(found[0].rows) == 0
    assert float(found[0].rows_u) == ROWS_U


def test_empty_batches_on_both_sides_minimize_nothing():
    model = model_of(terms=[tpl.MinimumEntropy()])
    found, gradients = _minimized(model, (X[:0], Y[:0]), (X_U[:0],))

    assert float(found.loss) == 0
    assert gradients == [None, None]
    assert [float(term) for term in found.terms] == [0, 0]


def test_changed_weights_of_terms_count_from_the_next_update_on():
    model = model_of(terms=[tpl.MinimumEntropy(1.0)])
    first = _minimized(model)[0]
    model.terms[0].weight = 0.0
    second = _minimized(model)[0]

    difference = ALPHA * float(first.terms[1])
    assert float(first.loss - second.loss) == pytest.approx(
        difference, rel=1e-4
    )


# The compiled weight of the loss.


@pytest.mark.parametrize("weights", [0.5, [0.5]])
def test_loss_weights_scale_everything_alike(weights):
    """Alpha stays what it is: a share between the two losses."""
    model = model_of(terms=[tpl.ClassPrior(0.8), tpl.MinimumEntropy(0.4)])
    plain = _minimized(model)
    model.compile("sgd", SPARSE(from_logits=True), loss_weights=weights)
    halved = _minimized(model)

    assert float(halved[0].loss) == pytest.approx(
        0.5 * float(plain[0].loss), rel=1e-6
    )
    for half, whole in zip(halved[1], plain[1], strict=True):
        np.testing.assert_allclose(half, 0.5 * whole, rtol=1e-5, atol=1e-8)


# Masks.


def test_padding_counts_in_no_part_of_the_loss():
    """One pass or two, selected rows or all: means are over what is there."""
    tokens = np.array([[1, 2, 3, 4], [5, 1, 2, 0]])
    tokens_u = np.array([[3, 0, 0, 0], [4, 2, 0, 0]])
    for batch_norm in ("separate", "joint"):
        model = model_of(
            token_network(),
            batch_norm=batch_norm,
            terms=[tpl.ClassPrior(), tpl.MinimumEntropy()],
        )
        table = model.classifier.get_weights()[0]
        p, p_u = (softmax(table[t[t > 0]]) for t in (tokens, tokens_u))
        y = (tokens % 3)[tokens > 0]
        both = np.concatenate([p, p_u])
        expected = (
            -np.log(p[np.arange(len(y)), y]).mean(),
            -np.log(p_u.max(axis=-1)).mean(),
            -np.log(both.mean(axis=0)).mean(),
            entropy(both).mean(),
        )
        found = _minimized(model, (tokens, tokens % 3), (tokens_u,))[0]

        np.testing.assert_allclose(
            [found.labeled, *found.terms], expected, rtol=1e-5
        )


# Whole updates, put together: eagerly, in a graph, by XLA and on replicas.

SORTED = X_U[np.argsort(SURE)]


def test_hidden_labels_never_leak():
    def trained(*hidden):
        model = model_of(
            teacher="lagged",
            selection=tpl.Threshold(THRESHOLD, "accepted"),
            terms=[tpl.ClassPrior(), tpl.MinimumEntropy()],
        )
        model.teacher.begin(Progress(model.classifier, 0))
        merged = streams(unlabeled=(X_U, *hidden), batch=4, batch_u=6)
        logs = eager_updates(model, merged)
        return model.get_weights(), logs

    without, _ = trained()
    true, logs = trained(Y_U)
    poisoned, poisoned_logs = trained((Y_U + 1) % CLASSES)

    for weights in (true, poisoned):
        for a, b in zip(weights, without, strict=True):
            np.testing.assert_array_equal(a, b)
    differing = {name for name in logs if logs[name] != poisoned_logs[name]}
    assert differing == {"pseudo_label_accuracy"}


def _composed(new=linear, **choices):
    return model_of(
        new(),
        alpha=ALPHA,
        teacher="lagged",
        selection=tpl.Threshold(THRESHOLD, "accepted"),
        terms=[tpl.ClassPrior(), tpl.MinimumEntropy()],
        **choices,
    )


@functools.cache
def _expected(new):
    """One eager epoch, in which the last batches are smaller."""
    model = _composed(new)
    model.teacher.begin(Progress(model.classifier, 0))
    logs = eager_updates(model, _uneven())
    return model.classifier.get_weights(), logs


def _uneven():
    """Batches of 7 and 5 rows, with hidden labels, beside 5 and 3."""
    return tpl.merge_streams(
        dataset(X, Y, batch=5), dataset(SORTED, Y_U, batch=7)
    )


def _assert_as_eager(model, history, new):
    weights, logs = _expected(new)
    for a, b in zip(model.classifier.get_weights(), weights, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)
    assert history.keys() == logs.keys()
    for name, (value,) in history.items():
        assert value == pytest.approx(logs[name], rel=1e-5), name
    assert 0 < logs["coverage"] < 1


@pytest.mark.parametrize("new", [linear, normalizing])
def test_a_graph_computes_what_eager_updates_do(new):
    """Two passes without batch normalization, one with it."""
    model = _composed(new)
    history = model.fit(_uneven(), verbose=0).history

    _assert_as_eager(model, history, new)


def test_xla_computes_what_eager_updates_do():
    model = _composed(normalizing)
    model.compile(
        keras.optimizers.SGD(0.5), SPARSE(from_logits=True), jit_compile=True
    )
    history = model.fit(_uneven(), verbose=0).history

    _assert_as_eager(model, history, normalizing)


def test_two_replicas_equal_one(two_replicas):
    """On the first one no row of the first update counts."""
    with two_replicas.scope():
        model = _composed()
    history = model.fit(_uneven(), verbose=0).history

    assert model.distribute_strategy.num_replicas_in_sync == 2
    _assert_as_eager(model, history, linear)


def test_two_replicas_equal_one_in_a_joint_pass(two_replicas):
    """The last unlabeled batch leaves one replica without a row."""
    merged = tpl.merge_streams(
        dataset(X, Y, batch=5), dataset(SORTED[:8], Y_U[:8], batch=7)
    )
    one = _composed(batch_norm="joint")
    one.teacher.begin(Progress(one.classifier, 0))
    expected = eager_updates(one, merged)
    with two_replicas.scope():
        two = _composed(batch_norm="joint")
    history = two.fit(merged, verbose=0).history

    for a, b in zip(
        two.classifier.get_weights(), one.classifier.get_weights(), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=2e-6)
    for name, (value,) in history.items():
        assert value == pytest.approx(expected[name], rel=1e-5), name


def test_padding_in_a_graph():
    """Keras' own metrics find the masks as well."""
    tokens = np.array([[1, 2, 4, 5], [5, 1, 2, 0], [3, 0, 0, 0], [2, 2, 0, 0]])
    merged = streams((tokens, tokens % 3), (tokens, tokens % 3))
    plain = token_network()
    right = plain(tokens).numpy().argmax(axis=-1) == tokens % 3
    expected = right[tokens > 0].mean()
    model = model_of(token_network())
    model.compile("sgd", SPARSE(from_logits=True), metrics=["accuracy"])
    logs = model.fit(merged, verbose=0).history

    assert logs["accuracy"] == [pytest.approx(expected)]
    assert logs["pseudo_label_accuracy"] == [pytest.approx(expected)]
    assert expected != pytest.approx(right.mean())


def test_a_fit_without_labeled_rows_trains_on_the_others():
    """All of them are taken out of every merged batch."""
    merged = streams().map(
        lambda labeled, x_u: (tuple(part[:0] for part in labeled), x_u)
    )
    model = model_of(alpha=ALPHA, terms=[tpl.MinimumEntropy()])
    found, gradients = _minimized(model, None, like=LIKE)
    logs = model.fit(merged, verbose=0).history

    for name, value in zip(
        ("unlabeled_loss", "minimum_entropy"), found.terms, strict=True
    ):
        assert logs[name] == [pytest.approx(float(value), rel=1e-5)]
    np.testing.assert_allclose(
        model.classifier.get_weights()[0],
        KERNEL - 0.5 * gradients[0],
        atol=1e-6,
    )


def test_alpha_0_is_supervised_training_bit_for_bit():
    """Keras' own training; the last batch is smaller."""

    def labeled():
        return dataset(X, ONE_HOT[Y], batch=3)

    model = tpl.PseudoLabelModel(
        normalizing(),
        teacher="lagged",
        selection="top_share",
        target="sharpened",
        terms=[tpl.ClassPrior(), tpl.MinimumEntropy()],
    )
    plain = normalizing()
    for each in (model, plain):
        each.compile(keras.optimizers.Adam(0.05), CATEGORICAL(from_logits=True))
    merged = tpl.merge_streams(labeled(), dataset(X_U, batch=4), "labeled")
    logs = model.fit(merged, epochs=2, verbose=0).history
    expected = plain.fit(labeled(), epochs=2, verbose=0, shuffle=False).history

    for a, b in zip(
        model.classifier.get_weights(), plain.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert logs["loss"] == expected["loss"]
    assert logs["unlabeled_loss"] == [0.0, 0.0]
