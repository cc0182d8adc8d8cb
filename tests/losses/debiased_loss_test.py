import keras
import numpy as np
import pytest

import tf_pseudolabel as tpl
from tests.contexts import (
    ONE_HOT,
    X_U,
    X,
    Y,
    entropy,
    linear,
    mean,
    model_of,
    passed,
    softmax,
)


@pytest.mark.parametrize("one_hot", [False, True])
def test_a_class_that_is_said_often_must_win_by_more(one_hot):
    loss = (
        keras.losses.CategoricalCrossentropy
        if one_hot
        else (keras.losses.SparseCategoricalCrossentropy)
    )
    model = model_of(
        loss=loss(from_logits=True),
        unlabeled_loss=tpl.DebiasedLoss(0.7, decay=0.9),
    )
    average = np.array([0.5, 0.3, 0.2])
    model.unlabeled_loss.average.assign(average)
    logits = model.classifier(X_U).numpy()
    labels = ONE_HOT[Y] if one_hot else Y

    found = mean(model.unlabeled_loss, passed(model, (X, labels)))

    average = 0.9 * average + 0.1 * softmax(logits).mean(0)
    p = softmax(logits + 0.7 * np.log(average))
    expected = -np.log(p[np.arange(12), logits.argmax(1)]).mean()
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_soft_labels_of_one_output_count_for_both_answers():
    """With tau = 0 it is the cross-entropy: here, the entropy."""
    model = model_of(
        linear(classes=1),
        keras.losses.BinaryCrossentropy(from_logits=True),
        teacher="training",
        target="soft",
        unlabeled_loss=tpl.DebiasedLoss(tau=0.0),
    )
    yes = 1 / (1 + np.exp(-model.classifier(X_U).numpy()))
    p = np.hstack([1 - yes, yes])

    labels = (Y[:, np.newaxis] > 1).astype("float32")
    found = mean(model.unlabeled_loss, passed(model, (X, labels)))

    assert float(found) == pytest.approx(entropy(p).mean(), rel=1e-5)
