import numpy as np
import pytest

import tf_pseudolabel as tpl
from tests.contexts import X_U, model_of, passed, softmax, streams


def test_logits_minus_the_logarithm_of_the_mean_belief():
    model = model_of(alignment=tpl.DebiasedAlignment(0.7, decay=0.9))
    average = np.array([0.5, 0.3, 0.2])
    model.alignment.average.assign(average)
    logits = model.classifier(X_U).numpy()

    context = passed(model)

    np.testing.assert_allclose(
        context.beliefs.probabilities,
        softmax(logits - 0.7 * np.log(average)),
        rtol=1e-4,
    )
    # It is used before it moves, by what is not aligned.
    np.testing.assert_allclose(model.alignment.average, average, rtol=1e-6)
    model.alignment.after_update(context)
    np.testing.assert_allclose(
        model.alignment.average,
        0.9 * average + 0.1 * softmax(logits).mean(0),
        rtol=1e-5,
    )


def test_replicas(two_replicas):
    one = model_of(alignment=tpl.DebiasedAlignment(decay=0.5))
    with two_replicas.scope():
        two = model_of(alignment=tpl.DebiasedAlignment(decay=0.5))
    for model in (one, two):
        model.fit(streams(batch=5, batch_u=7), epochs=2, verbose=0)

    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_negative_tau_is_refused():
    with pytest.raises(ValueError, match="`tau` must be at least 0"):
        tpl.DebiasedAlignment(-1)
