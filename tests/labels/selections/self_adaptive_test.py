import keras
import numpy as np
import pytest

import tf_pseudolabel as tpl
from tests.contexts import (
    X_U,
    beliefs_of,
    context_of,
    model_of,
    passed,
    softmax,
    streams,
    token_network,
)
from tf_pseudolabel.labels.selections import SelfAdaptive


def _moved(probabilities, decay=0.999, classes=2):
    """A selection that has seen a batch, and the weights it gave."""
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(classes)])
    model = model_of(network, selection=SelfAdaptive(decay))
    weights = model.selection.row_weights(
        context_of(model), beliefs_of(probabilities)
    )
    return model.selection, weights.numpy()


def test_as_the_authors_code_has_it():
    selection, weights = _moved([[0.9, 0.1], [0.6, 0.4]])

    assert float(selection.confidence) == pytest.approx(0.50025)
    np.testing.assert_allclose(selection.average, [0.50025, 0.49975])
    np.testing.assert_allclose(selection.thresholds(), [0.50025, 0.49975])
    np.testing.assert_array_equal(weights, [1, 1])


def test_the_batch_moves_the_thresholds_before_it_is_judged():
    p = np.array([[0.9, 0.1], [0.52, 0.48], [0.45, 0.55]])

    _, weights = _moved(p, decay=0.1)

    # In between: t = .1 / 2 + .9 * mean of (.9, .52, .55) = .641; of the
    # batch's own mean, .656; of the start, .5, which all would pass.
    confidence = 0.1 * 0.5 + 0.9 * p.max(1).mean()
    average = 0.1 * 0.5 + 0.9 * p.mean(0)
    least = confidence * average / average.max()
    np.testing.assert_array_equal(weights, p.max(1) >= least[p.argmax(1)])
    assert weights.tolist() == [1, 0, 1]


def test_padding_moves_nothing():
    model = model_of(token_network(), selection=SelfAdaptive(0.0))
    x = np.array([[1, 2, 0, 0]])
    passed(model, labeled=(x, x % 3), unlabeled=(x,))

    table = softmax(model.classifier.layers[0].get_weights()[0])[[1, 2]]
    np.testing.assert_allclose(
        model.selection.average, table.mean(0), rtol=1e-5
    )


def test_in_updates_on_replicas_and_after_loading(two_replicas, tmp_path):
    def fitted(model):
        model.fit(streams(batch_u=5), epochs=2, verbose=0)
        return model

    one = fitted(model_of(selection=SelfAdaptive(0.9)))
    with two_replicas.scope():
        two = model_of(selection=SelfAdaptive(0.9))
    fitted(two)

    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    one.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(
        loaded.selection.thresholds(), one.selection.thresholds()
    )
    assert one.label(X_U).ids.shape == (12,)


def test_wrong_decays_and_multi_label_problems_are_refused():
    with pytest.raises(ValueError, match=r"in an update, in \[0, 1\); got 1"):
        tpl.SelfAdaptive(1.0)
    assert not SelfAdaptive.fits_multi_label
