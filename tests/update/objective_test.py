import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.labels.targets import Soft
from tf_pseudolabel.update import objective

CLASSES, ROWS, ROWS_U = 3, 8, 12
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 4)).astype("float32")
Y = np.array([0, 1, 2, 0, 1, 2, 2, 1])
X_U = RNG.normal(size=(ROWS_U, 4)).astype("float32")
Y_U = RNG.integers(CLASSES, size=ROWS_U)
WEIGHT = RNG.uniform(0.5, 2.0, size=ROWS).astype("float32")
WEIGHT_U = RNG.uniform(0.5, 2.0, size=ROWS_U).astype("float32")
ONE_HOT = np.eye(CLASSES, dtype="float32")
LEARNING_RATE, ALPHA = 0.5, 0.7


def _linear():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(CLASSES)])


def _softmax(logits):
    exp = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exp / exp.sum(axis=-1, keepdims=True)


# Weights as they are at first, and what the network says of unlabeled rows.
KERNEL, BIAS = (w.astype("float64") for w in _linear().get_weights())
P_U = _softmax(X_U @ KERNEL + BIAS)
SURE = P_U.max(axis=-1)
# Half of the rows reach it.
THRESHOLD = float(np.sort(SURE)[ROWS_U // 2 - 1 : ROWS_U // 2 + 1].mean())
ACCEPTED = (SURE >= THRESHOLD).astype("float64")


def _dataset(*arrays, batch=None):
    arrays = tuple(array for array in arrays if array is not None)
    return tf.data.Dataset.from_tensor_slices(
        arrays if len(arrays) > 1 else arrays[0]
    ).batch(batch or len(arrays[0]))


def _streams(y=Y, weight=None, x_u=X_U, y_u=None, weight_u=None, batches=1):
    if weight_u is not None and y_u is None:
        y_u = np.zeros(len(x_u), "int64")
    return tpl.merge_streams(
        _dataset(X, y, weight, batch=len(X) // batches),
        _dataset(x_u, y_u, weight_u, batch=len(x_u) // batches),
    )


def _compiled(
    reduction="sum_over_batch_size", one_hot=False, optimizer=None, **choices
):
    kind = (
        keras.losses.CategoricalCrossentropy
        if one_hot
        else keras.losses.SparseCategoricalCrossentropy
    )
    model = tpl.PseudoLabelModel(_linear(), **choices)
    model.compile(
        optimizer or keras.optimizers.SGD(LEARNING_RATE),
        kind(from_logits=True, reduction=reduction),
    )
    return model


def _fit(model, streams, alpha=ALPHA, epochs=1, callbacks=(), **kwargs):
    scheduler = tpl.AlphaScheduler(tpl.Constant(alpha))
    return model.fit(
        streams,
        epochs=epochs,
        callbacks=[scheduler, *callbacks],
        verbose=0,
        **kwargs,
    ).history


# The oracle: losses in NumPy, and their derivatives by central differences.


def _cross_entropies(x, targets, kernel, bias):
    return -(targets * np.log(_softmax(x @ kernel + bias))).sum(axis=-1)


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


def _assert_updated(model, loss, scale=1.0):
    """One SGD step down `loss`, a function of kernel and bias."""
    found = model.classifier.get_weights()
    for value, before, gradient in zip(
        found, (KERNEL, BIAS), _gradients(loss), strict=True
    ):
        np.testing.assert_allclose(
            value, before - LEARNING_RATE * scale * gradient, atol=2e-6
        )


def _assert_logged(logs, **expected):
    for name, value in expected.items():
        assert logs[name] == [pytest.approx(value, rel=1e-5, abs=1e-7)], name


# Rows that do not count.


@pytest.mark.parametrize(
    ("reduction", "mean", "weighted"),
    [
        ("sum_over_batch_size", "all", False),
        ("sum_over_batch_size", "all", True),
        ("sum_over_batch_size", "accepted", False),
        ("sum_over_batch_size", "accepted", True),
        ("mean_with_sample_weight", "all", True),
        ("mean_with_sample_weight", "accepted", True),
        ("sum", "all", True),
        ("sum", "accepted", True),
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
    hard = ONE_HOT[P_U.argmax(axis=-1)]

    def labeled(*weights):
        losses = _cross_entropies(X, ONE_HOT[Y], *weights)
        return losses.sum() if reduction == "sum" else losses.mean()

    def unlabeled(*weights):
        losses = _cross_entropies(X_U, hard, *weights)
        return (ACCEPTED * weight_u * losses).sum() / size

    def loss(*weights):
        return labeled(*weights) + ALPHA * unlabeled(*weights)

    model = _compiled(reduction, selection=tpl.Threshold(THRESHOLD, mean))
    logs = _fit(model, _streams(weight_u=WEIGHT_U if weighted else None))

    assert 0 < ACCEPTED.sum() < ROWS_U
    _assert_logged(
        logs,
        labeled_loss=labeled(KERNEL, BIAS),
        unlabeled_loss=unlabeled(KERNEL, BIAS),
        loss=loss(KERNEL, BIAS),
        coverage=ACCEPTED.mean(),
    )
    _assert_updated(model, loss)


@pytest.mark.parametrize(
    ("reduction", "mean"),
    [
        ("sum_over_batch_size", "all"),
        ("sum_over_batch_size", "accepted"),
        ("mean_with_sample_weight", "accepted"),
    ],
)
def test_no_accepted_row_is_no_unlabeled_loss(reduction, mean):
    model = _compiled(reduction, selection=tpl.Threshold(1.0, mean))
    logs = _fit(model, _streams(weight_u=WEIGHT_U))

    _assert_logged(logs, unlabeled_loss=0.0, coverage=0.0)
    _assert_logged(logs, loss=_labeled_loss(KERNEL, BIAS))
    _assert_updated(model, _labeled_loss)


@pytest.mark.parametrize(
    ("teacher", "batch_norm"),
    [("training", "joint"), ("lagged", "labeled")],
)
def test_teachers_and_passes_without_dropout_and_normalization_agree(
    teacher, batch_norm
):
    """Then it is the same network, wherever scores come from."""
    selection = tpl.Threshold(THRESHOLD, "accepted")
    plain = _compiled(selection=selection)
    other = _compiled(
        selection=selection, teacher=teacher, batch_norm=batch_norm
    )
    for model in (plain, other):
        _fit(model, _streams())

    for a, b in zip(
        plain.classifier.get_weights(),
        other.classifier.get_weights(),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_top_share_by_hand():
    ids = P_U.argmax(axis=-1)
    thresholds = np.array([0.0, SURE[ids == 1].max() - 1e-5, 2.0])
    kept = thresholds[ids] <= SURE
    hard = ONE_HOT[ids]

    def loss(*weights):
        losses = _cross_entropies(X_U, hard, *weights)
        return _labeled_loss(*weights) + ALPHA * losses[kept].mean()

    model = _compiled(selection="top_share")
    move = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: model.selection.assign(
            thresholds.astype("float32"), epoch
        )
    )
    logs = _fit(model, _streams(), callbacks=[move])

    assert 0 < kept.sum() < ROWS_U
    _assert_logged(logs, coverage=kept.mean(), loss=loss(KERNEL, BIAS))
    _assert_updated(model, loss)


def test_a_sequence_counts_token_by_token():
    """Two rows of tokens are their tokens, one by one."""
    keras.utils.set_random_seed(1)
    classifier = keras.Sequential(
        [keras.Input((None, 4)), keras.layers.Dense(CLASSES)]
    )
    model = tpl.PseudoLabelModel(
        classifier, selection=tpl.Threshold(THRESHOLD, "accepted")
    )
    model.compile(
        keras.optimizers.SGD(LEARNING_RATE),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    classifier.set_weights([KERNEL, BIAS])
    streams = tpl.merge_streams(
        _dataset(X.reshape(2, 4, 4), Y.reshape(2, 4)),
        _dataset(X_U.reshape(3, 4, 4)),
    )
    hard = ONE_HOT[P_U.argmax(axis=-1)]

    def loss(*weights):
        losses = _cross_entropies(X_U, hard, *weights)
        return _labeled_loss(*weights) + ALPHA * losses[ACCEPTED > 0].mean()

    logs = _fit(model, streams)

    _assert_logged(logs, coverage=ACCEPTED.mean(), loss=loss(KERNEL, BIAS))
    _assert_updated(model, loss)


# Targets.


@pytest.mark.parametrize(
    ("target", "power"),
    [("hard", None), ("soft", 1), ("sharpened", 2)],
)
def test_targets_by_hand(target, power):
    if power is None:
        targets = ONE_HOT[P_U.argmax(axis=-1)]
    else:
        targets = P_U**power / (P_U**power).sum(axis=-1, keepdims=True)

    def loss(*weights):
        losses = _cross_entropies(X_U, targets, *weights)
        return _labeled_loss(*weights) + ALPHA * losses.mean()

    model = _compiled(one_hot=True, target=target)
    logs = _fit(model, _streams(ONE_HOT[Y]))

    _assert_logged(logs, loss=loss(KERNEL, BIAS))
    # No gradient flows through the targets, or soft ones would have none.
    _assert_updated(model, loss)


# Penalties.


def _penalties(kernel, bias, prior=0.8, entropy=0.4):
    """Over the rows of both batches, as equations 4 and 5 of Arazo et al."""
    p = _softmax(np.concatenate([X, X_U]) @ kernel + bias)
    return (
        -prior * np.log(p.mean(axis=0)).mean()
        - entropy * (p * np.log(p)).sum(axis=-1).mean()
    )


@pytest.mark.parametrize("batch_norm", ["separate", "joint"])
def test_penalties_by_hand(batch_norm):
    hard = ONE_HOT[P_U.argmax(axis=-1)]

    def loss(*weights):
        unlabeled = _cross_entropies(X_U, hard, *weights).mean()
        return (
            _labeled_loss(*weights) + ALPHA * unlabeled + _penalties(*weights)
        )

    model = _compiled(
        batch_norm=batch_norm,
        penalties=[tpl.ClassPrior(0.8), tpl.MinimumEntropy(0.4)],
    )
    logs = _fit(model, _streams())

    _assert_logged(
        logs,
        loss=loss(KERNEL, BIAS),
        labeled_loss=_labeled_loss(KERNEL, BIAS),
        unlabeled_loss=_cross_entropies(X_U, hard, KERNEL, BIAS).mean(),
    )
    _assert_updated(model, loss)


def test_penalties_are_of_rows_that_do_not_count_too():
    model = _compiled(
        selection=tpl.Threshold(1.0), penalties=[tpl.MinimumEntropy(1.0)]
    )
    _fit(model, _streams())

    _assert_updated(
        model,
        lambda *weights: (
            _labeled_loss(*weights)
            + _penalties(*weights, prior=0.0, entropy=1.0)
        ),
    )


@pytest.mark.parametrize("batch_norm", ["separate", "joint"])
def test_updates_without_unlabeled_rows_have_no_penalty(batch_norm):
    model = _compiled(
        batch_norm=batch_norm, penalties=[tpl.MinimumEntropy(1.0)]
    )
    with_rows = tpl.merge_streams(_dataset(X, Y), _dataset(X_U))
    no_rows = with_rows.map(lambda labeled, x_u: (labeled, x_u[:0]))
    _fit(model, no_rows)

    _assert_updated(model, _labeled_loss)


def test_updates_without_labeled_rows_have_their_penalty():
    model = _compiled(penalties=[tpl.MinimumEntropy(1.0)])
    streams = tpl.merge_streams(_dataset(X, Y), _dataset(X_U))
    streams = streams.map(
        lambda labeled, x_u: (tuple(part[:0] for part in labeled), x_u)
    )
    _fit(model, streams)
    hard = ONE_HOT[P_U.argmax(axis=-1)]

    def loss(*weights):
        p = _softmax(X_U @ weights[0] + weights[1])
        entropy = -(p * np.log(p)).sum(axis=-1).mean()
        return ALPHA * _cross_entropies(X_U, hard, *weights).mean() + entropy

    _assert_updated(model, loss)


# Mixup.

SHARE = 0.3
ORDER = np.roll(np.arange(ROWS + ROWS_U), 5)


def _mix(labeled, unlabeled):
    both = np.concatenate([labeled, unlabeled])
    mixed = SHARE * both + (1 - SHARE) * both[ORDER]
    return mixed[:ROWS], mixed[ROWS:]


@pytest.fixture
def known_mix(monkeypatch):
    """The draws of every update."""
    draws = []

    def beta(shape, alpha, beta, **kwargs):
        draws.append((alpha, beta))
        return tf.constant(SHARE)

    monkeypatch.setattr(keras.random, "beta", beta)
    monkeypatch.setattr(
        keras.random, "shuffle", lambda rows, **kwargs: tf.gather(rows, ORDER)
    )
    return draws


@pytest.mark.parametrize(
    ("weighted", "batch_norm"),
    [(False, "joint"), (True, "separate")],
)
def test_mixup_by_hand(known_mix, weighted, batch_norm):
    weight = WEIGHT if weighted else None
    x, x_u = _mix(X, X_U)
    t, t_u = _mix(ONE_HOT[Y], P_U)  # Labels are made of rows not yet mixed.
    w, w_u = _mix(WEIGHT if weighted else np.ones(ROWS), np.ones(ROWS_U))

    def loss(*weights):
        labeled = (w * _cross_entropies(x, t, *weights)).mean()
        unlabeled = (w_u * _cross_entropies(x_u, t_u, *weights)).mean()
        return labeled + ALPHA * unlabeled

    model = _compiled(
        one_hot=True, target="soft", mixup=4.0, batch_norm=batch_norm
    )
    logs = _fit(model, _streams(ONE_HOT[Y], weight))

    assert set(known_mix) == {(4.0, 4.0)}
    _assert_logged(logs, loss=loss(KERNEL, BIAS))
    _assert_updated(model, loss)


def test_penalties_are_of_mixed_rows(known_mix):
    x, x_u = _mix(X, X_U)
    t, t_u = _mix(ONE_HOT[Y], ONE_HOT[P_U.argmax(axis=-1)])

    def loss(*weights):
        p = _softmax(np.concatenate([x, x_u]) @ weights[0] + weights[1])
        return (
            _cross_entropies(x, t, *weights).mean()
            + ALPHA * _cross_entropies(x_u, t_u, *weights).mean()
            - 0.8 * np.log(p.mean(axis=0)).mean()
        )

    model = _compiled(one_hot=True, mixup=4.0, penalties=[tpl.ClassPrior(0.8)])
    _fit(model, _streams(ONE_HOT[Y]))

    _assert_updated(model, loss)


def test_statistics_are_of_rows_not_yet_mixed():
    model = _compiled(one_hot=True, mixup=4.0)
    ids = P_U.argmax(axis=-1)
    logs = _fit(model, _streams(ONE_HOT[Y], y_u=ids))

    _assert_logged(logs, pseudo_label_accuracy=1.0)
    assert model.statistics.summary()["confidence"] == pytest.approx(
        SURE.mean(), rel=1e-5
    )


# Invariants of all choices.

COMPOSITIONS = {
    "threshold": {
        "selection": tpl.Threshold(THRESHOLD, "accepted"),
        "teacher": "training",
        "batch_norm": "joint",
    },
    "sharpened": {
        "target": "sharpened",
        "teacher": "lagged",
        "penalties": [tpl.ClassPrior(), tpl.MinimumEntropy()],
    },
    "top share": {
        "selection": "top_share",
        "target": Soft(),
        "batch_norm": "labeled",
        "penalties": [tpl.MinimumEntropy()],
    },
    "joint penalties": {
        "batch_norm": "joint",
        "penalties": [tpl.ClassPrior()],
    },
}


@functools.cache
def _supervised():
    """Keras' own training; the last batch is smaller."""
    plain = _linear()
    plain.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    labeled = _dataset(X, ONE_HOT[Y], batch=3)
    return plain, plain.fit(labeled, epochs=2, verbose=0, shuffle=False).history


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_alpha_0_is_supervised_training_bit_for_bit(name):
    model = _compiled(
        one_hot=True,
        optimizer=keras.optimizers.Adam(0.05),
        **COMPOSITIONS[name],
    )
    labeled = _dataset(X, ONE_HOT[Y], batch=3)
    streams = tpl.merge_streams(labeled, _dataset(X_U, batch=4), "labeled")
    logs = _fit(model, streams, alpha=0.0, epochs=2)
    plain, expected = _supervised()

    for a, b in zip(
        model.classifier.get_weights(), plain.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert logs["loss"] == expected["loss"]
    assert logs["unlabeled_loss"] == [0.0, 0.0]


def test_hidden_labels_never_leak():
    def trained(hidden):
        model = _compiled(
            teacher="lagged",
            selection=tpl.Threshold(THRESHOLD, "accepted"),
            penalties=[tpl.ClassPrior(), tpl.MinimumEntropy()],
        )
        logs = _fit(model, _streams(y_u=hidden, batches=2), epochs=3)
        return model.get_weights(), logs

    without, _ = trained(None)
    true, logs = trained(Y_U)
    poisoned, poisoned_logs = trained((Y_U + 1) % CLASSES)

    for weights in (true, poisoned):
        for a, b in zip(weights, without, strict=True):
            np.testing.assert_array_equal(a, b)
    differing = {name for name in logs if logs[name] != poisoned_logs[name]}
    assert differing == {"pseudo_label_accuracy"}


# Replicas.

# On the first of two replicas no row of the first update counts.
SORTED = X_U[np.argsort(SURE)]
ON_REPLICAS = {
    "threshold, accepted": {"selection": tpl.Threshold(THRESHOLD, "accepted")},
    "top share": {"selection": "top_share"},
    "penalties, joint": {
        "batch_norm": "joint",
        "teacher": "lagged",
        "penalties": [tpl.ClassPrior(), tpl.MinimumEntropy()],
    },
}


def _assert_two_replicas_equal_one(two_replicas, streams, choices):
    def trained(strategy):
        with strategy.scope():
            model = _compiled(**choices)
        callbacks = (
            [tpl.ShareScheduler(lambda epoch: 0.5, SORTED)]
            if choices.get("selection") == "top_share"
            else []
        )
        return model, _fit(model, streams, epochs=2, callbacks=callbacks)

    one, expected = trained(tf.distribute.get_strategy())
    two, logs = trained(two_replicas)

    assert two.distribute_strategy.num_replicas_in_sync == 2
    for a, b in zip(two.get_weights(), one.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert logs.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_allclose(logs[key], values, rtol=1e-5, err_msg=key)
    return expected


@pytest.mark.parametrize("name", ON_REPLICAS)
def test_two_replicas_equal_one(two_replicas, name):
    logs = _assert_two_replicas_equal_one(
        two_replicas, _streams(x_u=SORTED, y_u=Y_U), ON_REPLICAS[name]
    )

    assert 0 < logs.get("coverage", [0.5])[0] < 1


def test_replicas_with_uneven_shares_equal_one(two_replicas):
    """The last batches leave one replica fewer rows, or none."""
    streams = tpl.merge_streams(
        _dataset(X[:7], Y[:7], batch=3), _dataset(SORTED, batch=7), "labeled"
    )
    _assert_two_replicas_equal_one(
        two_replicas,
        streams,
        {
            "selection": tpl.Threshold(THRESHOLD, "all"),
            "penalties": [tpl.ClassPrior(), tpl.MinimumEntropy()],
        },
    )


# Refusals.


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        (
            {"mixup": 1.0, "teacher": "training"},
            r"got Training\(\) and All\(\)",
        ),
        ({"mixup": 1.0, "selection": "threshold"}, "for all rows; got"),
        ({"mixup": 1.0, "selection": "top_share"}, "for all rows; got"),
        ({"mixup": -1.0}, "or 0 for none; got -1.0"),
        ({"mixup": float("nan")}, "or 0 for none; got nan"),
        (
            {"teacher": "ema"},
            "one of .*lagged, or an object; got 'ema'",
        ),
        ({"target": "sharp"}, "`target` is one of .*soft.*; got 'sharp'"),
        ({"selection": "top"}, "`selection` is one of .*top_share.*got 'top'"),
        ({"batch_norm": "none"}, "`batch_norm` is one of .*joint; got 'none'"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_choices_that_do_not_go_together_are_refused(choices, message):
    with pytest.raises(ValueError, match=message):
        tpl.PseudoLabelModel(_linear(), **choices)


@pytest.mark.parametrize(
    "choices",
    [{"target": "soft"}, {"target": "sharpened"}, {"mixup": 1.0}],
    ids=str,
)
def test_class_ids_are_refused_where_labels_must_be_distributions(choices):
    with pytest.raises(ValueError, match="one float per class; got int64"):
        _fit(_compiled(**choices), _streams())


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.BinaryCrossentropy(),
        tpl.SummedBinaryCrossentropy(from_logits=True),
        "binary_crossentropy",
    ],
)
def test_sharpening_sigmoids_is_refused(loss):
    classifier = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(CLASSES, "sigmoid")]
    )
    model = tpl.PseudoLabelModel(classifier, target="sharpened")
    model.compile("sgd", loss)

    with pytest.raises(ValueError, match="for outputs that sum to 1"):
        _fit(model, _streams(ONE_HOT[Y]))


# Losses of any kind.


def test_functions_and_names_are_losses():
    def squares(y, p):
        return tf.reduce_sum((y - p) ** 2, axis=-1)

    y, p = tf.eye(3)[:2], tf.constant([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]])
    assert float(objective.as_loss(squares)(y, p)) == 0.25
    assert float(objective.as_loss("mae")(y, p)) == pytest.approx(1 / 6)
    loss = keras.losses.MeanSquaredError()
    assert objective.as_loss(loss) is loss
