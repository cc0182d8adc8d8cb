import keras
import numpy as np
import pytest

import tf_pseudolabel as tpl
from tests.contexts import beliefs_of, context_of, model_of, streams
from tf_pseudolabel.labels.selections import Gaussian


def _model(selection, classes=2):
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(classes)])
    return model_of(network, selection=selection)


def _weights(selection, p):
    return selection.row_weights(
        context_of(_model(selection, p.shape[1])), beliefs_of(p)
    ).numpy()


@pytest.mark.parametrize(
    ("deviations", "expected"),
    [(2.0, np.exp(-2)), (1.0, np.exp(-0.5))],
)
def test_as_the_authors_code_has_it(deviations, expected, monkeypatch):
    """Mean 0.9 and variance 0.01: 0.8 is one deviation below."""
    selection = Gaussian(deviations)
    model = _model(selection)
    selection.average.assign(0.9)
    selection.variance.assign(0.01)
    monkeypatch.setattr(selection, "_move", lambda *args: None)
    monkeypatch.setattr(
        selection._alignment, "probabilities", lambda context, p: p
    )

    weights = selection.row_weights(
        context_of(model), beliefs_of([[0.8, 0.2], [0.9, 0.1], [0.0, 1.0]])
    )

    np.testing.assert_allclose(weights, [expected, 1, 1], rtol=1e-5)


def test_the_batch_moves_the_averages_before_they_are_used():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), 20)
    selection, decay = Gaussian(2.0, 0.6), 0.6

    weights = _weights(selection, p)

    average = decay / 3 + (1 - decay) * p.mean(0)
    aligned = p / average
    confidence = (aligned / aligned.sum(1, keepdims=True)).max(1)
    mean = decay / 3 + (1 - decay) * confidence.mean()
    variance = decay + (1 - decay) * confidence.var(ddof=1)
    below = np.minimum(confidence - mean, 0)
    np.testing.assert_allclose(
        weights, np.exp(-(below**2) / (2 * variance / 4)), rtol=1e-4
    )
    assert float(selection.average) == pytest.approx(mean, rel=1e-5)
    assert float(selection.variance) == pytest.approx(variance, rel=1e-4)


def test_of_one_row_the_variance_stays():
    selection = Gaussian(decay=0.5)
    weights = _weights(selection, np.array([[0.3, 0.7]]))

    assert float(selection.variance) == 1.0
    assert np.isfinite(weights).all()


def test_the_label_is_of_probabilities_that_are_not_aligned():
    selection = Gaussian(decay=0.0)
    beliefs = beliefs_of([[0.9, 0.1], [0.6, 0.4]])
    selection.row_weights(context_of(_model(selection)), beliefs)

    assert beliefs.ids.numpy().tolist() == [0, 0]


def test_replicas_and_changes_while_it_trains(two_replicas):
    def fitted(model):
        model.fit(streams(batch_u=5), epochs=1, verbose=0)
        model.selection.decay = 0.1
        model.selection.deviations = 1.0
        model.fit(streams(batch_u=5), epochs=1, verbose=0)
        return model

    one = fitted(model_of(selection=Gaussian(decay=0.9)))
    with two_replicas.scope():
        two = model_of(selection=Gaussian(decay=0.9))
    fitted(two)

    assert one.selection.get_config()["decay"] == pytest.approx(0.1)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_wrong_numbers_are_refused():
    with pytest.raises(ValueError, match="`deviations` says how far"):
        tpl.Gaussian(0)
    with pytest.raises(ValueError, match="`decay` is the share"):
        tpl.Gaussian(decay=-1)


def test_rows_that_are_all_as_sure_count_one_each():
    """Their variance is 0, and none of them is below the mean."""
    model = model_of(selection=tpl.Gaussian(decay=0.0))
    beliefs = beliefs_of(np.eye(3)[np.arange(12) % 3])

    weights = model.selection.row_weights(context_of(model), beliefs)

    assert float(model.selection.variance) == 0.0
    np.testing.assert_array_equal(weights, np.ones(12))
