import keras
import numpy as np
import pytest

import tf_pseudolabel as tpl
from tests.contexts import (
    WEIGHT_U,
    X_U,
    Y_U,
    mean,
    model_of,
    passed,
    softmax,
)
from tf_pseudolabel.losses.pseudo_label import PseudoLabelLoss

P_U = softmax(model_of().classifier(X_U).numpy().astype("float64"))
SURE = P_U.max(axis=-1)
# Half of the rows reach it.
THRESHOLD = float(np.sort(SURE)[5:7].mean())
ACCEPTED = (SURE >= THRESHOLD).astype("float64")


@pytest.mark.parametrize("counted", ["all", "accepted"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "mean_with_sample_weight", "sum"]
)
def test_threshold_by_hand(reduction, counted, weighted):
    weight = WEIGHT_U if weighted else np.ones(12)
    ones = ACCEPTED if counted == "accepted" else np.ones(12)
    size = {
        "sum_over_batch_size": ones.sum(),
        "mean_with_sample_weight": (ones * weight).sum(),
        "sum": 1.0,
    }[reduction]
    loss = keras.losses.SparseCategoricalCrossentropy(True, reduction=reduction)
    model = model_of(loss=loss, selection=tpl.Threshold(THRESHOLD, counted))
    unlabeled = (X_U, Y_U, WEIGHT_U) if weighted else (X_U,)
    found = mean(PseudoLabelLoss(loss), passed(model, unlabeled=unlabeled))

    assert 0 < ACCEPTED.sum() < 12
    expected = (ACCEPTED * weight * -np.log(SURE)).sum() / size
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("counted", ["all", "accepted"])
@pytest.mark.parametrize(
    "reduction", ["sum_over_batch_size", "mean_with_sample_weight", "sum"]
)
def test_no_accepted_row_is_no_loss(reduction, counted):
    loss = keras.losses.SparseCategoricalCrossentropy(True, reduction=reduction)
    model = model_of(loss=loss, selection=tpl.Threshold(1.0, counted))
    found = mean(PseudoLabelLoss(loss), passed(model))

    assert float(found) == 0


def test_lees_loss_is_summed_over_classes():
    """Equations 5 and 15, for sigmoid outputs."""
    loss = tpl.SummedBinaryCrossentropy(from_logits=True)
    model = model_of(loss=loss)
    logits = model.classifier(X_U).numpy().astype("float64")
    p, hard = 1 / (1 + np.exp(-logits)), np.eye(3)[logits.argmax(axis=-1)]
    expected = -(hard * np.log(p) + (1 - hard) * np.log(1 - p)).sum() / 12

    found = mean(PseudoLabelLoss(loss), passed(model))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_it_weighs_1():
    assert PseudoLabelLoss(keras.losses.MeanSquaredError()).weight == 1.0
