import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import (
    ONE_HOT,
    WEIGHT_U,
    X_U,
    X,
    Y,
    context_of,
    linear,
    mean,
    model_of,
    normalizing,
    passed,
    token_network,
)
from tf_pseudolabel.labels import selections, targets, teachers
from tf_pseudolabel.update import choices

CATEGORICAL = keras.losses.CategoricalCrossentropy(from_logits=True)
DISTRIBUTIONS = X, ONE_HOT[Y]


@keras.saving.register_keras_serializable("tf_pseudolabel_test")
def nudged(x):
    return x + 1


def _prepare(model, labeled=(X, Y), unlabeled=(X_U,)):
    """What `fit` checks before the first step."""
    x, y = map(tf.constant, labeled)
    scores = keras.KerasTensor(model.classifier.output_shape)
    method = model.settled_method()
    choices.warn_of_risks(model, model.views is not None)
    choices.check_form(model, y, x, scores, method.loss)
    choices.check_loss(model, y, scores, method, len(unlabeled) == 3)


# By name.


@pytest.mark.parametrize(
    ("kind", "name", "made"),
    [
        ("teacher", "inference", teachers.Inference),
        ("teacher", "training", teachers.Training),
        ("teacher", "lagged", teachers.Lagged),
        ("selection", "all", selections.All),
        ("selection", "threshold", selections.Threshold),
        ("selection", "top_share", selections.TopShare),
        ("selection", "two_sided", selections.TwoSided),
        ("target", "hard", targets.Hard),
        ("target", "soft", targets.Soft),
        ("target", "sharpened", targets.Sharpened),
        ("target", "multi_hot", targets.MultiHot),
    ],
)
def test_names(kind, name, made):
    assert type(choices.part(kind, name)) is made
    assert choices.part(kind, name) is not choices.part(kind, name)
    own = made()
    assert choices.part(kind, own) is own


def test_names_stand_for_the_values_of_the_literature():
    assert choices.part("teacher", "lagged").every == 1
    assert choices.part("selection", "threshold").threshold == 0.95
    assert choices.part("target", "sharpened").temperature == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"teacher": "ema"}, r"one of .*lagged, averaged; got 'ema'"),
        ({"target": "sharp"}, r"`target` is one of .*soft.*; got 'sharp'"),
        ({"selection": "top"}, r"`selection` is one of .*top_share.*got 'top'"),
        ({"batch_norm": "none"}, r"`batch_norm` is one of .*joint; got 'none'"),
        ({"selection": tpl.Threshold}, r"got the class Threshold"),
        ({"selection": tpl.Lagged()}, r"instance of Selection .*got Lagged\("),
        ({"teacher": None}, r"`teacher` takes .*Lagged\(5\); got None"),
        ({"target": 0.5}, r"instance of Target such as Sharpened.*got 0\.5"),
        ({"terms": [tpl.ClassPrior]}, r"got the class ClassPrior"),
        ({"terms": ["class_prior"]}, r"`terms` takes .* got 'class_prior'"),
        ({"terms": [tpl.ClassPrior()] * 2}, r"got two 'class_prior'"),
        ({"views": lambda x: x}, r"`views` takes .*Views\(weak=.*got <func"),
        ({"alignment": "da"}, r"`alignment` takes .*; got 'da'"),
        ({"mixup": 1.0, "selection": "threshold"}, "that all must count; got"),
        ({"mixup": 1.0, "selection": "top_share"}, "that all must count; got"),
        ({"mixup": -1.0}, r"or a Mixup; got -1\.0"),
        ({"mixup": float("nan")}, "or a Mixup; got nan"),
        ({"mixup": "strong"}, "or a Mixup; got 'strong'"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_choices_that_cannot_be_meant_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        tpl.PseudoLabelModel(linear(), **arguments)


def test_one_term_needs_no_list():
    term = tpl.ClassPrior()

    assert choices.terms("terms", term) == [term]
    two = [term, tpl.ClassPrior(name="other")]
    assert choices.terms("terms", tuple(two)) == two


def test_no_mixup_is_none():
    assert choices.mixup(0, selections.Threshold()) is None
    mixup = choices.mixup(4, selections.All())
    assert mixup.strength == 4.0
    assert choices.mixup(mixup, selections.All()) is mixup


# With the data.


@pytest.mark.parametrize(
    "choice",
    [{"target": "soft"}, {"target": "sharpened"}, {"mixup": 1.0}],
    ids=str,
)
def test_class_ids_are_refused_where_labels_must_be_distributions(choice):
    with pytest.raises(ValueError, match="one float per class; got int64"):
        _prepare(model_of(**choice))


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.BinaryCrossentropy(),
        tpl.SummedBinaryCrossentropy(),
        "binary_crossentropy",
    ],
)
def test_sharpening_sigmoids_is_refused(loss):
    model = model_of(linear("sigmoid"), loss, target="sharpened")

    with pytest.raises(ValueError, match="for outputs that sum to 1"):
        _prepare(model, DISTRIBUTIONS)


class Tempered(tpl.labels.alignments.Alignment):
    """Every output by itself."""

    fits_multi_label = True

    def align(self, probabilities):
        return tf.nn.softmax(2 * tf.math.log(probabilities))


def test_an_alignment_of_classes_is_refused_where_rows_have_several():
    def prepare(alignment):
        choice = {"target": "multi_hot", "alignment": alignment}
        model = model_of(linear("sigmoid"), "binary_crossentropy", **choice)
        _prepare(model, DISTRIBUTIONS)
        return model

    with pytest.raises(ValueError, match=r"no distribution .* got Alignment"):
        prepare(tpl.labels.alignments.Alignment())
    model = prepare(Tempered())
    p = model.classifier(X_U).numpy()
    np.testing.assert_allclose(
        passed(model, DISTRIBUTIONS).beliefs.probabilities[..., 1],
        p**2 / (p**2 + (1 - p) ** 2),
        rtol=1e-4,
    )
    # One output is two classes.
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    one = tpl.labels.alignments.Alignment()
    single = model_of(linear(classes=1), loss, alignment=one)
    _prepare(single, (X, ONE_HOT[Y][:, :1]))


def test_ids_are_not_mixed():
    """The average of two tokens is a third one."""
    tokens = np.ones((4, 5), "int64")
    model = model_of(token_network(), CATEGORICAL, mixup=1.0)
    labels = np.tile(ONE_HOT[:1], (4, 5, 1))

    with pytest.raises(ValueError, match=r"got int64\..*use mixup=0"):
        _prepare(model, (tokens, labels), (tokens,))


def test_pixels_are_mixed():
    pixels = np.ones((4, 4), "uint8")
    model = model_of(None, CATEGORICAL, mixup=1.0)

    _prepare(model, (pixels, ONE_HOT[Y[:4]]), (pixels,))


# Losses.


def _one_number(y, scores):
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)(
        y, scores
    )


@pytest.mark.parametrize(
    ("choice", "unlabeled"),
    [
        ({"selection": tpl.Threshold(0.95)}, (X_U,)),
        ({"selection": "top_share"}, (X_U,)),
        ({}, (X_U, np.full(12, -1), WEIGHT_U)),
    ],
    ids=["threshold", "top share", "weights"],
)
@pytest.mark.parametrize("where", ["loss", "unlabeled_loss"])
def test_one_number_for_all_rows_is_refused_where_they_differ(
    choice, unlabeled, where
):
    """It would train on rejected rows without a word."""
    model = (
        model_of(loss=_one_number, **choice)
        if where == "loss"
        else model_of(unlabeled_loss=_one_number, **choice)
    )
    with pytest.raises(
        ValueError,
        match=r"returns one number: _one_number\..*tensor \(batch,\)",
    ):
        _prepare(model, unlabeled=unlabeled)


def test_one_number_is_taken_where_all_rows_count_alike():
    _prepare(model_of(loss=_one_number))
    found, expected = (
        mean(model.settled_method().terms[0], passed(model))
        for model in (model_of(loss=_one_number), model_of())
    )

    assert float(found) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("reduction", [None, "none"])
def test_a_loss_without_a_reduction_is_refused(reduction):
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction=reduction
    )
    for model in (model_of(loss=loss), model_of(unlabeled_loss=loss)):
        with pytest.raises(ValueError, match=r"with reduction=.*or 'sum'"):
            _prepare(model)


def test_a_loss_for_other_labels_is_named():
    with pytest.raises(
        ValueError,
        match=r"CategoricalCrossentropy does not take int64 labels of shape",
    ):
        _prepare(model_of(loss=CATEGORICAL))


# What is known to fail.


def _warnings(model, labeled=DISTRIBUTIONS):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _prepare(model, labeled)
    return [str(warning.message) for warning in caught]


def test_separate_statistics_of_two_views_are_warned_of():
    views = tpl.Views(strong=nudged)
    (said,) = _warnings(
        model_of(normalizing(), views=views, batch_norm="separate"), (X, Y)
    )
    assert "'separate' with two views" in said
    for name in ("auto", "joint", "labeled"):
        model = model_of(normalizing(), views=views, batch_norm=name)
        assert _warnings(model, (X, Y)) == []
    assert (
        _warnings(model_of(normalizing(), batch_norm="separate"), (X, Y)) == []
    )


def _dropping():
    return keras.Sequential(
        [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(3)]
    )


SAME_PASS = [
    (linear, {"teacher": "inference"}),
    (linear, {"teacher": "training"}),
    (_dropping, {"teacher": "training"}),
]
OTHERS = [
    (_dropping, {"teacher": "inference"}),
    (linear, {"teacher": "lagged"}),
    (linear, {"mixup": 1.0}),
    (linear, {"views": tpl.Views(strong=nudged)}),
    (linear, {"unlabeled_loss": tpl.ConditionalEntropy()}),
]


def _kernel_gradient(new, choice):
    """How far an update moves the kernel by its unlabeled rows alone."""
    model = model_of(new(), CATEGORICAL, target="soft", **choice)
    context = context_of(model, DISTRIBUTIONS)
    with tf.GradientTape() as tape:
        context.pass_labeled()
        context.pass_unlabeled()
        total, _ = context.method.terms[0].sums(context)
    kernel = model.classifier.trainable_weights[0].value
    return np.abs(tape.gradient(total, kernel)).max()


@pytest.mark.parametrize(("new", "choice"), SAME_PASS)
def test_soft_labels_of_the_very_pass_have_no_gradient_and_a_warning(
    new, choice
):
    (said,) = _warnings(model_of(new(), CATEGORICAL, target="soft", **choice))

    assert "has a gradient of 0" in said
    assert _kernel_gradient(new, choice) < 1e-6


@pytest.mark.parametrize(("new", "choice"), OTHERS)
def test_other_soft_labels_have_both_a_gradient_and_no_warning(new, choice):
    assert (
        _warnings(model_of(new(), CATEGORICAL, target="soft", **choice)) == []
    )
    if choice.get("teacher") != "lagged":  # Before it has begun.
        assert _kernel_gradient(new, choice) > 1e-4


APART = [
    (_dropping, {"teacher": "training"}),
    (_dropping, {"teacher": "inference"}),
    (normalizing, {"teacher": "inference"}),
    (linear, {"teacher": "averaged"}),
    (linear, {"teacher": "training", "views": tpl.Views(strong=nudged)}),
    (linear, {"teacher": "training", "mixup": 1.0}),
]


@pytest.mark.parametrize(("new", "choice"), APART)
def test_passes_that_are_apart_are_compared_without_a_warning(new, choice):
    model = model_of(
        new(), CATEGORICAL, unlabeled_loss=tpl.Consistency(), **choice
    )
    assert _warnings(model) == []


@pytest.mark.parametrize(
    ("new", "teacher"),
    [(linear, "training"), (linear, "inference"), (normalizing, "training")],
)
@pytest.mark.parametrize("argument", ["unlabeled_loss", "terms"])
def test_one_pass_compared_with_itself_is_warned_of(new, teacher, argument):
    choice = {argument: tpl.Consistency()}
    model = model_of(new(), CATEGORICAL, teacher=teacher, **choice)
    (said,) = _warnings(model)

    assert "Consistency of one and the same pass is 0" in said
