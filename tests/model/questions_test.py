"""Outputs that are yes or no each: one update by hand, and what `fit` says.

Of sigmoids with binary cross-entropy, the derivative by the logit is p - t, by
an equation as short as that of softmax. That a graph, XLA and two replicas come
to the same is tested in `structures_test.py`.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import (
    ROWS,
    ROWS_U,
    WEIGHT,
    WEIGHT_U,
    X_U,
    X,
    Y,
    dataset,
    eager_updates,
    entropy,
    linear,
    mean,
    model_of,
    passed,
    streams,
    token_network,
)

RNG = np.random.default_rng(0)
ANSWERS = RNG.integers(2, size=(ROWS, 3))
ANSWERS_U = RNG.integers(-1, 2, size=(ROWS_U, 3))
TOKENS = np.array([[3, 1, 0, 0], [4, 2, 5, 0], [1, 5, 3, 2]])
ALPHA = 0.7
BCE = keras.losses.BinaryCrossentropy(from_logits=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def bce(p, t):
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def two_classes(p):
    return np.stack([1 - p, p], axis=-1)


def _answers(outputs):
    return ANSWERS[:, :outputs].astype("float32")


def _fitted(model, labeled, unlabeled, **kwargs):
    model.fit(
        streams(labeled, unlabeled),
        verbose=0,
        callbacks=[tpl.AlphaScheduler(tpl.Constant(1.0))],
        **kwargs,
    )
    return model


# One update by hand.


SELECTIONS = {
    "all": (lambda: "all", lambda p: np.ones_like(p)),
    "threshold": (
        lambda: tpl.Threshold(0.7),
        lambda p: np.maximum(p, 1 - p) >= 0.7,
    ),
    "two-sided": (
        lambda: tpl.TwoSided(0.6, 0.2, mean="accepted"),
        lambda p: (p >= 0.6) | (p <= 0.2),
    ),
}
LOSSES = {
    # From logits or a sigmoid's output, and what Keras' mean over a row of
    # outputs divides by.
    "logits": (None, BCE, False),
    "sigmoid": ("sigmoid", "binary_crossentropy", False),
    "summed": ("sigmoid", tpl.SummedBinaryCrossentropy(), True),
    "sum of rows": (
        None,
        keras.losses.BinaryCrossentropy(from_logits=True, reduction="sum"),
        False,
    ),
    "mean of weights": (
        None,
        keras.losses.BinaryCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        ),
        False,
    ),
}


def _divisors(loss, counts, accepted, weight, weight_u):
    """Of rows and of unlabeled questions, as the loss's reduction has it."""
    reduction = getattr(loss, "reduction", None)
    outputs = counts.shape[-1]
    if reduction == "sum":
        return 1, outputs
    weighted = reduction == "mean_with_sample_weight"
    counted = counts if accepted else np.ones_like(counts)
    return (
        weight.sum() if weighted else ROWS,
        (counted * weight_u[:, None]).sum() if weighted else counted.sum(),
    )


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("case", LOSSES)
def test_one_sgd_step_by_hand(case, selection, outputs):
    """Weights of rows weigh each of their questions."""
    activation, loss, summed = LOSSES[case]
    make, counts_of = SELECTIONS[selection]
    model = model_of(
        linear(activation, outputs),
        loss,
        rate=0.1,
        alpha=ALPHA,
        selection=make(),
        target="multi_hot" if outputs > 1 else "hard",
    )
    w, b = (v.astype("float64") for v in model.classifier.get_weights())
    p, p_u, t = sigmoid(X @ w + b), sigmoid(X_U @ w + b), _answers(outputs)
    t_u, counts = (p_u > 0.5) * 1.0, counts_of(p_u) * 1.0
    assert 0 < counts.sum() < counts.size or selection == "all"
    size, size_u = _divisors(
        loss, counts, model.selection.mean == "accepted", WEIGHT, WEIGHT_U
    )
    each = 1 if summed else 1 / outputs
    each_u = outputs if summed else 1
    weigh, weigh_u = WEIGHT[:, None], WEIGHT_U[:, None] * counts
    labeled = each * (weigh * bce(p, t)).sum() / size
    unlabeled = each_u * (weigh_u * bce(p_u, t_u)).sum() / size_u
    d = each * weigh * (p - t) / size
    d_u = ALPHA * each_u * weigh_u * (p_u - t_u) / size_u
    w -= 0.1 * (X.T @ d + X_U.T @ d_u)
    b -= 0.1 * (d.sum(axis=0) + d_u.sum(axis=0))

    logs = eager_updates(
        model, streams((X, t, WEIGHT), (X_U, ANSWERS_U[:, :outputs], WEIGHT_U))
    )

    np.testing.assert_allclose(
        [logs[k] for k in ("labeled_loss", "unlabeled_loss", "loss")],
        [labeled, unlabeled, labeled + ALPHA * unlabeled],
        rtol=1e-5,
    )
    found_w, found_b = model.classifier.get_weights()
    np.testing.assert_allclose(found_w, w, atol=1e-6)
    np.testing.assert_allclose(found_b, b, atol=1e-6)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("by_position", [False, True])
def test_masked_tokens_by_hand(outputs, by_position):
    """Of a table of logits: the mean is over answers of tokens that are there.

    Weights are those of rows, or of positions.
    """
    model = model_of(
        token_network(classes=outputs),
        BCE,
        alpha=ALPHA,
        target="multi_hot",
        selection=tpl.TwoSided(0.7, 0.1),
    )
    (table,) = model.classifier.get_weights()
    t = RNG.integers(2, size=(3, 4, outputs)).astype("float32")
    weight = RNG.uniform(0.5, 2, size=(3, 4) if by_position else 3)
    weight = weight.astype("float32")
    there = (TOKENS > 0) * (weight if by_position else weight[:, None])
    p = sigmoid(table.astype("float64"))[TOKENS]
    t_u = (p > 0.5) * 1.0
    counts = ((p >= 0.7) | (p <= 0.1)) * there[..., None]
    size = (TOKENS > 0).sum() * outputs
    labeled = (there[..., None] * bce(p, t)).sum() / size
    unlabeled = (counts * bce(p, t_u)).sum() / size
    d = there[..., None] * (p - t) + ALPHA * counts * (p - t_u)
    expected = table.copy()
    np.add.at(expected, TOKENS, -0.5 * d / size)

    logs = eager_updates(
        model, streams((TOKENS, t, weight), (TOKENS, t, weight))
    )

    assert logs["labeled_loss"] == pytest.approx(labeled, rel=1e-5)
    assert logs["unlabeled_loss"] == pytest.approx(unlabeled, rel=1e-5)
    assert logs["coverage"] == pytest.approx(
        (counts > 0).sum() / size, rel=1e-5
    )
    np.testing.assert_allclose(
        model.classifier.get_weights()[0], expected, atol=1e-6
    )


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.BinaryCrossentropy(label_smoothing=0.1),
        keras.losses.BinaryFocalCrossentropy(apply_class_balancing=True),
        "binary_focal_crossentropy",
        tpl.SummedBinaryCrossentropy(),
        keras.losses.BinaryCrossentropy(reduction="sum"),
        tpl.SummedBinaryCrossentropy(reduction="sum"),
    ],
    ids=lambda loss: getattr(loss, "name", loss),
)
@pytest.mark.parametrize("outputs", [1, 3])
def test_where_all_count_the_loss_is_that_of_keras(loss, outputs):
    model = model_of(linear("sigmoid", outputs), loss, target="multi_hot")
    context = passed(model, (X, _answers(outputs)))
    scores = model.classifier(X_U)
    expected = model.settled_method().loss(
        np.float32(scores.numpy() > 0.5), scores
    )

    found = mean(context.method.terms[0], context)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_a_saturated_sigmoid_has_the_gradient_of_its_logit():
    """Of its output alone Keras would clip it to none."""
    model = model_of(linear("sigmoid", 1), "binary_crossentropy")
    model.classifier.set_weights([np.full((4, 1), 50.0), np.zeros(1)])
    context = passed(model, (X, _answers(1)), (np.full((1, 4), 1.0, "f4"),))
    wrong = context.beliefs._replace(target=tf.zeros([1, 1]))
    context.beliefs = wrong

    found = mean(context.method.terms[0], context)
    assert float(found) == pytest.approx(200, rel=1e-5)


def test_entropies_are_those_of_yes_and_no():
    terms = [tpl.ConditionalEntropy(), tpl.MinimumEntropy()]
    model = model_of(linear(), BCE, target="multi_hot", terms=terms)
    context = passed(model, (X, _answers(3)))
    p, p_u = (
        two_classes(sigmoid(model.classifier(x).numpy())) for x in (X, X_U)
    )

    assert float(mean(terms[0], context)) == pytest.approx(
        entropy(p_u).mean(), rel=1e-5
    )
    assert float(mean(terms[1], context)) == pytest.approx(
        entropy(np.concatenate([p, p_u])).mean(), rel=1e-5
    )


def test_entropies_of_masked_tokens_do_not_count():
    term = tpl.MinimumEntropy()
    model = model_of(token_network(classes=2), BCE, target="multi_hot")
    context = passed(model, (TOKENS, np.zeros((3, 4, 2), "f4")), (TOKENS[:2],))
    p = two_classes(sigmoid(model.classifier(TOKENS).numpy()))
    both = [p[TOKENS > 0], p[:2][TOKENS[:2] > 0]]

    assert float(mean(term, context)) == pytest.approx(
        entropy(np.concatenate(both)).mean(), rel=1e-5
    )


def test_the_class_prior_of_one_output_is_that_of_two():
    (term,) = terms = [tpl.ClassPrior()]
    model = model_of(linear(classes=1), BCE, terms=terms)
    context = passed(model, (X, _answers(1)))
    p = sigmoid(model.classifier(np.concatenate([X, X_U])).numpy()).mean()

    assert float(mean(term, context)) == pytest.approx(
        -np.log([p, 1 - p]).mean(), rel=1e-5
    )


# One output.


FORMS = {
    "ids": lambda y: y,
    "column": lambda y: y[:, None],
    "booleans": lambda y: y.astype(bool),
    "floats": lambda y: y.astype("float64")[:, None],
    "bytes": lambda y: y.astype("uint8"),
}


@pytest.mark.parametrize("form", FORMS)
def test_labels_of_any_form_are_one(form):
    def trained(labels):
        model = model_of(linear("sigmoid", 1), tpl.SummedBinaryCrossentropy())
        eager_updates(model, streams((X, labels)))
        return model.classifier.get_weights()

    y = ANSWERS[:, 0]
    for a, b in zip(trained(FORMS[form](y)), trained(_answers(1)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("choice", ["soft", "sharpened"])
def test_targets_between_no_and_yes(choice):
    model = model_of(linear(classes=1), BCE, target=choice)
    context = passed(model, (X, _answers(1)))
    p = sigmoid(model.classifier(X_U).numpy())
    if choice == "sharpened":  # Temperature 0.5.
        p = p**2 / (p**2 + (1 - p) ** 2)

    np.testing.assert_allclose(context.beliefs.target, p, rtol=1e-4)


def test_one_output_is_two_of_softmax():
    """The logits of two are 0 and that of one: the same update of it."""
    one = model_of(
        linear(classes=1),
        BCE,
        selection=tpl.Threshold(0.7, mean="accepted"),
        terms=[tpl.ClassPrior(0.3)],
    )
    inputs = keras.Input((4,))
    logit = linear(classes=1)(inputs)
    both = keras.layers.Concatenate()([0 * logit, logit])
    two = model_of(
        keras.Model(inputs, both),
        selection=tpl.Threshold(0.7, mean="accepted"),
        terms=[tpl.ClassPrior(0.3)],
    )
    two.classifier.set_weights(one.classifier.get_weights())

    y, y_u = ANSWERS[:, 0], ANSWERS_U[:, 0]
    logs, expected = (
        eager_updates(model, streams((X, y, WEIGHT), (X_U, y_u, WEIGHT_U)))
        for model in (one, two)
    )
    assert logs == pytest.approx(expected, rel=1e-5)
    found = one.statistics.summary()
    for name, value in two.statistics.summary().items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, err_msg=name)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_class_weights_of_one_output():
    y = ANSWERS[:, 0]
    found, expected = (model_of(linear(classes=1), BCE) for _ in range(2))
    by_class = np.where(y == 1, 3.0, 0.5)

    _fitted(found, (X, y, WEIGHT), (X_U,), class_weight={0: 0.5, 1: 3.0})
    _fitted(expected, (X, y, WEIGHT * by_class), (X_U,))
    for a, b in zip(found.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


def test_metrics_evaluation_and_labels_of_one_output():
    y = ANSWERS[:, 0]
    model = tpl.PseudoLabelModel(linear("sigmoid", 1))
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy", "AUC"])
    history = model.fit(
        streams((X, y), (X_U, ANSWERS_U[:, 0])),
        validation_data=dataset(X, y),
        callbacks=[tpl.AlphaScheduler(tpl.Constant(1.0))],
        verbose=0,
    ).history
    p = model.predict(X, verbose=0)

    assert p.shape == (ROWS, 1)
    accuracy = np.mean((p[:, 0] > 0.5) == y)
    assert history["val_accuracy"][0] == pytest.approx(accuracy)
    assert model.evaluate(X, y, verbose=0)[1] == pytest.approx(accuracy)
    found = model.label(X)
    np.testing.assert_array_equal(found.ids, p > 0.5)
    np.testing.assert_allclose(
        found.confidence, np.maximum(p, 1 - p), rtol=1e-6
    )


# Any number of classes.


def test_figures_are_those_of_questions():
    model = model_of(
        linear(), BCE, target="multi_hot", selection=tpl.TwoSided(0.6, 0.3)
    )
    p = sigmoid(model.classifier(X_U).numpy())
    counts, right = (p >= 0.6) | (p <= 0.3), (p > 0.5) == ANSWERS_U
    known = ANSWERS_U >= 0
    eager_updates(model, streams((X, ANSWERS), (X_U, ANSWERS_U, WEIGHT_U)))
    found = model.statistics.summary()

    assert found["coverage"] == pytest.approx(counts.mean())
    assert found["confidence"] == pytest.approx(np.maximum(p, 1 - p).mean())
    assert found["entropy"] == pytest.approx(entropy(two_classes(p)).mean())
    assert found["pseudo_label_accuracy"] == pytest.approx(right[known].mean())
    assert found["accepted_accuracy"] == pytest.approx(
        right[known & counts].mean()
    )
    # Of every class, among all yes.
    yes, labeled = ((p > 0.5) & counts).sum(axis=0), ANSWERS.sum(axis=0)
    yes, labeled = yes / yes.sum(), labeled / labeled.sum()
    np.testing.assert_allclose(found["class_shares"], yes)
    np.testing.assert_allclose(found["labeled_shares"], labeled)
    assert found["class_distance"] == pytest.approx(
        np.abs(yes - labeled).sum() / 2
    )


def test_metrics_of_every_class():
    model = tpl.PseudoLabelModel(linear("sigmoid"), target="multi_hot")
    metrics = [
        "binary_accuracy",
        keras.metrics.AUC(multi_label=True, num_labels=3),
        *(keras.metrics.Recall(class_id=c, name=f"recall_{c}") for c in (0, 2)),
    ]
    model.compile("sgd", "binary_crossentropy", metrics=metrics)
    _fitted(model, (X, ANSWERS), (X_U,))
    found = model.evaluate(X, ANSWERS, verbose=0, return_dict=True)
    yes = model.predict(X, verbose=0) > 0.5

    assert found["binary_accuracy"] == pytest.approx((yes == ANSWERS).mean())
    for c in (0, 2):
        recall = yes[ANSWERS[:, c] == 1, c].mean()
        assert found[f"recall_{c}"] == pytest.approx(recall)


def test_shares_of_yes_and_no_are_measured():
    """Yes is rare; its surest share counts beside that of no."""
    model = model_of(
        linear(), BCE, target="multi_hot", selection=tpl.TopShare()
    )
    scheduler = tpl.ShareScheduler(lambda epoch: 0.5, X_U)
    scheduler.set_model(model)
    scheduler.on_epoch_begin(0)
    p = sigmoid(model.classifier(X_U).numpy())
    found = model.selection.thresholds.numpy()

    for answer, sure in enumerate((1 - p, p)):
        surest = np.sort(sure[(p > 0.5) == answer])[::-1]
        expected = surest[int(np.ceil(len(surest) / 2)) - 1]
        assert 0 < expected - found[answer] < 5e-6


def test_mixed_answers_are_floats():
    model = model_of(linear(), BCE, target="multi_hot", mixup=1.0)
    logs = eager_updates(model, streams((X, ANSWERS)))

    assert np.isfinite(logs["loss"])


# What the user says, and what cannot be meant.


@pytest.mark.parametrize(
    ("outputs", "labels", "loss", "choices", "message"),
    [
        (3, ANSWERS, BCE, {}, r"say tpl\.MultiHot\(\).*sum to \["),
        (3, Y, BCE, {"target": "multi_hot"}, r"\(batch, 3\); got \(batch,\)"),
        (1, Y, BCE, {}, r"must be 0 or 1, or a share between; got \[2"),
        (1, ANSWERS[:, 0], "mse", {}, "got mean_squared_error.*regression"),
        (1, ANSWERS[:, 0], "categorical_crossentropy", {}, "loss for sigmoids"),
        (
            3,
            ANSWERS,
            keras.losses.CategoricalCrossentropy(from_logits=True),
            {"target": "multi_hot"},
            "mean over outputs .*; got CategoricalCrossentropy",
        ),
        (
            3,
            ANSWERS,
            BCE,
            {"target": "multi_hot", "terms": [tpl.ClassPrior()]},
            "any number of classes have no distribution.* got ClassPrior",
        ),
        (
            3,
            ANSWERS,
            BCE,
            {"target": "multi_hot", "selection": tpl.TwoSided([0.6, 0.7])},
            "`up` is one threshold, or one for each of 3 outputs; got 2",
        ),
        (3, Y, None, {"selection": "two_sided"}, "TwoSided is for .* got 3"),
    ],
    ids=range(9),
)
def test_refusals(outputs, labels, loss, choices, message):
    model = model_of(linear(classes=outputs), loss, **choices)

    with pytest.raises(ValueError, match=message) as error:
        _fitted(model, (X, labels), (X_U,))
    assert "\n" not in str(error.value)


def test_class_weights_of_any_number_of_classes_are_refused():
    model = model_of(linear(), BCE, target="multi_hot")

    with pytest.raises(ValueError, match="`class_weight` is for rows of one"):
        _fitted(model, (X, ANSWERS), (X_U,), class_weight={0: 2.0})


def test_a_loss_of_ones_own_is_taken_apart_or_refused():
    def squares(y, scores):
        return tf.reduce_mean((y - tf.sigmoid(scores)) ** 2, axis=-1)

    def of_rows(y, scores):
        return tf.reduce_max((y - tf.sigmoid(scores)) ** 2, axis=-1)

    _fitted(
        model_of(linear(), squares, target="multi_hot"), (X, ANSWERS), (X_U,)
    )
    with pytest.raises(ValueError, match=r"mean over outputs .* got of_rows"):
        _fitted(
            model_of(linear(), of_rows, target="multi_hot"),
            (X, ANSWERS),
            (X_U,),
        )
