import numpy as np

import tf_pseudolabel as tpl
from tests.contexts import X_U, model_of, passed, softmax, streams


def test_it_moves_before_it_is_used():
    model = model_of(alignment=tpl.UniformAlignment(0.7))
    p = softmax(model.classifier(X_U).numpy())

    found = passed(model).beliefs.probabilities

    average = 0.7 / 3 + 0.3 * p.mean(0)
    expected = p / average
    np.testing.assert_allclose(
        found, expected / expected.sum(1, keepdims=True), rtol=1e-5
    )
    np.testing.assert_allclose(model.alignment.average, average, rtol=1e-5)


def test_labelling_moves_nothing():
    model = model_of(alignment=tpl.UniformAlignment(0.7))
    model.alignment.average.assign([0.5, 0.25, 0.25])
    p = softmax(model.classifier(X_U).numpy()) / [0.5, 0.25, 0.25]

    said = model.label(X_U)

    p /= p.sum(1, keepdims=True)
    np.testing.assert_array_equal(said.ids, p.argmax(1))
    np.testing.assert_allclose(said.confidence, p.max(1), rtol=1e-5)
    np.testing.assert_allclose(model.alignment.average, [0.5, 0.25, 0.25])


def test_replicas_align_alike(two_replicas):
    one = model_of(alignment=tpl.UniformAlignment(0.5))
    with two_replicas.scope():
        two = model_of(alignment=tpl.UniformAlignment(0.5))
    for model in (one, two):
        model.fit(streams(batch=5, batch_u=7), epochs=2, verbose=0)

    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
