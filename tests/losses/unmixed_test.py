import keras
import numpy as np
import pytest

import tf_pseudolabel as tpl
from tests.contexts import (
    ONE_HOT,
    WEIGHT,
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


@pytest.mark.parametrize(
    ("weight", "weight_u"),
    [
        ((), ()),
        ((9 * WEIGHT,), ()),
        ((), (WEIGHT_U,)),
        ((WEIGHT,), (WEIGHT_U,)),
    ],
    ids=["neither", "labeled", "unlabeled", "both"],
)
def test_rows_before_they_were_mixed_have_their_own_weights(weight, weight_u):
    model = model_of(
        loss=LOSS, target="soft", mixup=1.0, terms=[tpl.Unmixed(0.5)]
    )
    p = softmax(model.classifier(X_U).numpy())
    hidden = np.full(len(X_U), -1)

    context = passed(model, (X, ONE_HOT[Y], *weight), (X_U, hidden, *weight_u))

    losses = -(p * np.log(p)).sum(1) * (weight_u[0] if weight_u else 1)
    found = mean(model.terms[0], context)
    assert float(found) == pytest.approx(losses.mean(), rel=1e-4)


def test_without_mixup_there_is_none():
    model = model_of(terms=[tpl.Unmixed()])

    with pytest.raises(ValueError, match="rows before mixup; got mixup=0"):
        model.terms[0].sums(passed(model))
