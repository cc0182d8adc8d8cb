import keras
import numpy as np
import pytest

import tf_pseudolabel as tpl
from tests.contexts import (
    ONE_HOT,
    X_U,
    Y,
    linear,
    mean,
    model_of,
    passed,
    softmax,
)

CROSS_ENTROPY = keras.losses.CategoricalCrossentropy(from_logits=True)


@pytest.mark.parametrize("target", ["hard", "sharpened"])
def test_the_mean_over_classes_of_squared_errors(target):
    model = model_of(
        loss=CROSS_ENTROPY, target=target, unlabeled_loss=tpl.Brier()
    )
    context = passed(model, (np.ones((8, 4), "f"), ONE_HOT[Y]))
    p = softmax(model.classifier(X_U).numpy())
    wanted = ONE_HOT[p.argmax(1)]
    if target == "sharpened":
        wanted = p**2 / (p**2).sum(1, keepdims=True)

    assert float(mean(model.unlabeled_loss, context)) == pytest.approx(
        np.square(p - wanted).mean(), rel=1e-4
    )


def test_class_ids_and_a_single_output():
    model = model_of(unlabeled_loss=tpl.Brier())
    p = softmax(model.classifier(X_U).numpy())
    expected = np.square(p - ONE_HOT[p.argmax(1)]).mean()
    found = mean(model.unlabeled_loss, passed(model))
    assert float(found) == pytest.approx(expected, rel=1e-4)

    model = model_of(
        linear(classes=1),
        keras.losses.BinaryCrossentropy(from_logits=True),
        unlabeled_loss=tpl.Brier(),
    )
    context = passed(model, (np.ones((8, 4), "f"), Y[:, None] % 2))
    yes = 1 / (1 + np.exp(-model.classifier(X_U).numpy()))
    expected = np.square(yes - (yes > 0.5)).mean()
    assert float(mean(model.unlabeled_loss, context)) == pytest.approx(
        expected, rel=1e-4
    )
