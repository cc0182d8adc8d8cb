import keras
import numpy as np
import pytest
from scipy import special

import tf_pseudolabel as tpl
from tests.contexts import (
    X_U,
    X,
    Y,
    dataset,
    linear,
    model_of,
    passed,
    streams,
)
from tf_pseudolabel.labels.selections import Inliers


def _energies(model, x):
    return special.logsumexp(model.classifier(x).numpy(), axis=-1)


def test_rows_below_labeled_ones_do_not_count():
    model = model_of(selection=Inliers(margin=1.0, threshold=0.0))

    context = passed(model)

    labeled = _energies(model, X)
    mean = labeled.mean()
    deviation = np.sqrt(np.square(labeled - mean).mean())
    expected = _energies(model, X_U) >= mean - deviation
    assert 0 < expected.sum() < len(expected)
    np.testing.assert_array_equal(context.beliefs.weight, expected)
    assert float(model.selection.average) == pytest.approx(mean, rel=1e-5)
    assert float(model.selection.variance) == pytest.approx(
        deviation**2, rel=1e-4
    )


def test_they_must_be_sure_besides():
    wide = model_of(selection=Inliers(margin=1e6, threshold=0.6))
    sure = model_of(selection=tpl.Threshold(0.6))
    sure.classifier.set_weights(wide.classifier.get_weights())

    np.testing.assert_array_equal(
        passed(wide).beliefs.weight, passed(sure).beliefs.weight
    )


def test_averages_follow_the_labeled_batches():
    model = model_of(selection=Inliers(decay=0.6))
    energies = _energies(model, X)
    batches = X[:4], X[4:5]
    for batch in batches:
        passed(model, labeled=(batch, np.zeros(len(batch), np.int64)))

    first, second = energies[:4], energies[4:5]
    mean = 0.6 * first.mean() + 0.4 * second.mean()
    before = np.square(first - first.mean()).mean()
    variance = 0.6 * before + 0.4 * np.square(second - mean).mean()
    assert float(model.selection.average) == pytest.approx(mean, rel=1e-4)
    assert float(model.selection.variance) == pytest.approx(variance, rel=1e-3)


def test_probabilities_tell_nothing_and_are_refused():
    network = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, activation="softmax")]
    )
    model = tpl.PseudoLabelModel(network, selection=Inliers())
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy())
    model.alpha.assign(1.0)

    with pytest.raises(ValueError, match="Inliers compares logits"):
        model.fit(streams(), verbose=0)


def test_on_replicas_and_after_loading(two_replicas, tmp_path):
    def fitted(model):
        model.fit(streams(batch_u=5), epochs=2, verbose=0)
        return model

    one = fitted(model_of(selection=Inliers(1.5, 0.3)))
    with two_replicas.scope():
        two = model_of(selection=Inliers(1.5, 0.3))
    fitted(two)
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for name in ("average", "variance"):
        values = [getattr(m.selection, name).numpy() for m in (one, two)]
        assert values[0] == pytest.approx(values[1], rel=1e-4)

    one.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras").selection
    assert loaded.get_config() == one.selection.get_config()
    assert float(loaded.average) == float(one.selection.average)


def test_wrong_numbers_are_refused():
    with pytest.raises(ValueError, match="`margin` counts"):
        tpl.Inliers(-1.0)
    with pytest.raises(ValueError, match="`decay` is the share"):
        tpl.Inliers(decay=1.0)


def test_rows_that_come_alone_are_measured():
    model = model_of(rate=0.0, selection=tpl.Inliers())
    scores = model.classifier(X).numpy()

    stream = tpl.alternate_streams(dataset(X, Y), dataset(X_U), 1)
    model.fit(stream, epochs=2, verbose=0)

    energy = np.log(np.exp(scores).sum(axis=-1)).mean()
    assert float(model.selection.average) == pytest.approx(energy, rel=1e-5)


def test_probabilities_are_refused_before_rows_are_selected():
    """While alpha is 0, too: epochs of labels alone would be lost."""
    model = model_of(
        linear("softmax"),
        keras.losses.SparseCategoricalCrossentropy(),
        alpha=0.0,
        selection=Inliers(),
    )
    with pytest.raises(ValueError, match="Inliers compares logits"):
        model.fit(streams(), verbose=0)


def test_one_output_stands_for_two_logits():
    """Of yes and no around 0: both ends are energetic, the middle is not."""
    network = linear(classes=1)
    one = model_of(
        network,
        keras.losses.BinaryCrossentropy(from_logits=True),
        selection=Inliers(margin=0.5, threshold=0.0),
    )
    kernel, bias = network.get_weights()
    two = linear(classes=2)
    two.set_weights(
        [np.hstack([-kernel / 2, kernel / 2]), np.append(-bias / 2, bias / 2)]
    )
    two = model_of(two, selection=Inliers(margin=0.5, threshold=0.0))
    yes = (Y > 0).astype("float32")[:, np.newaxis]

    said = passed(one, (X, yes)).beliefs.weight
    expected = passed(two, (X, Y > 0)).beliefs.weight

    assert 0 < np.sum(expected) < len(expected)
    np.testing.assert_array_equal(said[:, 0], expected)
    one.fit(streams((X, yes), (X_U,)), verbose=0)
