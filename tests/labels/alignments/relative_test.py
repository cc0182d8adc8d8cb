import numpy as np
import pytest

import tf_pseudolabel as tpl
from tests.contexts import X_U, X, model_of, passed, softmax, streams


@pytest.mark.parametrize("teacher", ["inference", "training"])
def test_both_averages_move_before_they_are_used(teacher):
    model = model_of(
        alignment=tpl.RelativeAlignment(0.9, length=4), teacher=teacher
    )
    p = softmax(model.classifier(X).numpy())
    p_u = softmax(model.classifier(X_U).numpy())

    found = passed(model).beliefs

    labeled = 0.9 / 3 + 0.1 * p.mean(0)
    beliefs = (3 * np.full(3, 1 / 3) + p_u.mean(0)) / 4
    expected = p_u * (1e-6 + labeled) / (1e-6 + beliefs)
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-5)
    np.testing.assert_allclose(found.raw, p_u, rtol=1e-5)


def test_replicas_align_alike(two_replicas):
    one = model_of(alignment=tpl.RelativeAlignment(0.5))
    with two_replicas.scope():
        two = model_of(alignment=tpl.RelativeAlignment(0.5))
    for model in (one, two):
        model.fit(streams(batch=5, batch_u=7), epochs=2, verbose=0)

    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
