import keras
import numpy as np
import pytest

import tf_pseudolabel as tpl
from tests.contexts import (
    ONE_HOT,
    WEIGHT_U,
    X_U,
    X,
    Y,
    mean,
    model_of,
    passed,
    softmax,
)

LOSS = keras.losses.CategoricalCrossentropy(from_logits=True)


def test_the_loss_of_rows_before_they_were_mixed():
    model = model_of(
        loss=LOSS, target="soft", mixup=1.0, terms=[tpl.Unmixed(0.5)]
    )
    p = softmax(model.classifier(X_U).numpy())

    found = mean(model.terms[0], passed(model, (X, ONE_HOT[Y])))

    expected = -(p * np.log(p)).sum(1).mean()
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_weights_of_labeled_rows_stay_theirs():
    model = model_of(
        loss=LOSS, target="soft", mixup=1.0, terms=[tpl.Unmixed(0.5)]
    )
    p = softmax(model.classifier(X_U).numpy())

    labeled = X, ONE_HOT[Y], np.full(len(X), 9.0, "float32")
    found = mean(model.terms[0], passed(model, labeled))

    expected = -(p * np.log(p)).sum(1).mean()
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_rows_have_their_own_weights():
    model = model_of(
        loss=LOSS, target="soft", mixup=1.0, terms=[tpl.Unmixed(0.5)]
    )
    p = softmax(model.classifier(X_U).numpy())

    unlabeled = X_U, np.full(len(X_U), -1), WEIGHT_U
    found = mean(model.terms[0], passed(model, (X, ONE_HOT[Y]), unlabeled))

    expected = (-(p * np.log(p)).sum(1) * WEIGHT_U).mean()
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_without_mixup_there_is_none():
    model = model_of(terms=[tpl.Unmixed()])

    with pytest.raises(ValueError, match="rows before mixup; got mixup=0"):
        model.terms[0].sums(passed(model))
