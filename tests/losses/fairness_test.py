import keras
import numpy as np
import pytest

import tf_pseudolabel as tpl
from tests.contexts import (
    X_U,
    mean,
    model_of,
    passed,
    softmax,
    streams,
)


@keras.saving.register_keras_serializable("tf_pseudolabel_test")
def reversed_rows(x):
    return 0.3 * x + 0.2


def _model(selection, decay=0.9):
    return model_of(
        teacher="training",
        views=tpl.Views(strong=reversed_rows),
        selection=selection,
        terms=[tpl.Fairness(0.5, decay)],
    )


def _norm(values, shares):
    ratio = np.where(shares > 0, values / np.where(shares > 0, shares, 1), 0)
    return ratio / ratio.sum()


@pytest.mark.parametrize("threshold", [0.0, 0.6])
def test_as_the_authors_code_has_it(threshold):
    model = _model(tpl.Threshold(threshold))
    weak = softmax(model.classifier(X_U).numpy())
    strong = softmax(model.classifier(reversed_rows(X_U)).numpy())
    accepted = weak.max(1) >= threshold
    assert accepted.sum() > 1

    found = mean(model.terms[0], passed(model))

    eye = np.eye(3)
    p = 0.9 / 3 + 0.1 * weak.mean(0)
    h = 0.9 / 3 + 0.1 * eye[weak.argmax(1)].mean(0)
    kept = strong[accepted]
    q, g = kept.mean(0), eye[kept.argmax(1)].mean(0)
    expected = (_norm(p, h) * np.log(_norm(q, g) + 1e-12)).sum()
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_where_no_row_counts_it_is_0():
    model = _model(tpl.Threshold(1.0))

    assert float(mean(model.terms[0], passed(model))) == 0.0
    logs = model.fit(streams(), verbose=0).history
    assert np.isfinite(logs["loss"]).all() and logs["fairness"] == [0.0]


def test_replicas(two_replicas):
    one = _model(tpl.SelfAdaptive(0.5))
    with two_replicas.scope():
        two = _model(tpl.SelfAdaptive(0.5))
    logs = [
        model.fit(streams(batch=5, batch_u=7), epochs=2, verbose=0).history
        for model in (one, two)
    ]

    for name in logs[0]:
        np.testing.assert_allclose(logs[0][name], logs[1][name], atol=1e-5)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
