import keras
import numpy as np
import pytest

import tf_pseudolabel as tpl
from tests.contexts import (
    ONE_HOT,
    X_U,
    X,
    Y,
    linear,
    model_of,
    passed,
    softmax,
    streams,
)


def _two_classes(alignment):
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model_of(network, alignment=alignment)
    return alignment


def test_as_the_authors_code_has_it():
    alignment = _two_classes(tpl.DistributionAlignment())
    batches = alignment._batches
    batches.assign(np.tile([0.8, 0.2], (128, 1)))

    aligned = alignment.align(np.array([[0.6, 0.4]], np.float32))

    np.testing.assert_allclose(aligned, [[0.2727, 0.7273]], atol=1e-4)
    sharp = np.asarray(aligned) ** 2
    np.testing.assert_allclose(
        sharp / sharp.sum(), [[0.1233, 0.8767]], atol=1e-4
    )


def test_it_is_used_before_it_moves_and_moves_by_what_is_not_aligned():
    model = model_of(alignment=tpl.DistributionAlignment(decay=0.9, length=4))
    model.alignment.labels.assign([0.5, 0.3, 0.2])
    context = passed(model)
    p = softmax(model.classifier(X_U).numpy())
    aligned = p * (1e-6 + np.array([0.5, 0.3, 0.2])) / (1e-6 + 1 / 3)
    aligned /= aligned.sum(1, keepdims=True)

    np.testing.assert_allclose(
        context.beliefs.probabilities, aligned, rtol=1e-5
    )
    np.testing.assert_allclose(context.beliefs.raw, p, rtol=1e-5)
    model.alignment.after_update(context)
    labels = 0.9 * np.array([0.5, 0.3, 0.2]) + 0.1 * ONE_HOT[Y].mean(0)
    np.testing.assert_allclose(model.alignment.labels, labels, rtol=1e-5)
    batches = model.alignment._batches
    expected = np.full((4, 3), 1 / 3)
    expected[0] = p.mean(0)
    np.testing.assert_allclose(batches, expected, rtol=1e-5)
    for _ in range(4):
        model.alignment.after_update(context)
    np.testing.assert_allclose(batches, np.tile(p.mean(0), (4, 1)), rtol=1e-5)


def test_a_known_prior_stays():
    model = model_of(alignment=tpl.DistributionAlignment([0.2, 0.3, 0.5]))
    model.alignment.after_update(passed(model))

    np.testing.assert_allclose(model.alignment.labels, [0.2, 0.3, 0.5])


def test_replicas_and_loading(two_replicas, tmp_path):
    def made():
        return model_of(alignment=tpl.DistributionAlignment(decay=0.5))

    one = made()
    with two_replicas.scope():
        two = made()
    for model in (one, two):
        model.fit(streams(batch=5, batch_u=7), epochs=2, verbose=0)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    one.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    ours, theirs = one.label(X_U), loaded.label(X_U)
    np.testing.assert_allclose(ours.confidence, theirs.confidence, rtol=1e-6)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"prior": [0.5, 0.6]}, "which sum to 1; got"),
        ({"length": 0}, "`length` counts batches"),
        ({"decay": 1}, "`decay` is the share"),
    ],
)
def test_wrong_choices_are_refused(choices, message):
    with pytest.raises(ValueError, match=message):
        tpl.DistributionAlignment(**choices)


def test_a_prior_of_other_classes_is_refused():
    with pytest.raises(ValueError, match="got 2 for 3 classes"):
        model_of(alignment=tpl.DistributionAlignment([0.5, 0.5]))


def test_one_output_has_the_classes_no_and_yes():
    """Its labels are numbers `(batch, 1)`, not one value per class."""
    model = model_of(
        linear(classes=1),
        keras.losses.BinaryCrossentropy(from_logits=True),
        alignment=tpl.DistributionAlignment(decay=0.0),
    )
    yes = np.array([1, 1, 1, 1, 1, 1, 0, 0], np.float32)[:, np.newaxis]
    context = passed(model, (X, yes))

    model.alignment.after_update(context)

    np.testing.assert_allclose(model.alignment.labels, [0.25, 0.75], atol=1e-6)
