import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import (
    X_U,
    X,
    Y,
    beliefs_of,
    context_of,
    dataset,
    model_of,
    normalizing,
    passed,
    softmax,
    streams,
)


@pytest.mark.parametrize("batch_norm", ["separate", "joint"])
@pytest.mark.parametrize("teacher", ["inference", "training"])
def test_a_share_of_the_confidence_on_labeled_rows(teacher, batch_norm):
    model = model_of(
        selection=tpl.Relative(0.9), teacher=teacher, batch_norm=batch_norm
    )
    p = softmax(model.classifier(X).numpy())
    p_u = softmax(model.classifier(X_U).numpy())

    weights = passed(model).beliefs.weight.numpy()

    least = 0.9 * p.max(1).mean()
    np.testing.assert_array_equal(weights, p_u.max(1) >= least)
    assert 0 < weights.sum() < len(X_U)


def test_an_update_without_labels_has_the_last_threshold():
    model = model_of(selection=tpl.Relative(0.5))
    context = context_of(model, labeled=None, like=np.zeros(1, np.int64))
    rows = beliefs_of([[1.0, 0, 0], [0.4, 0.3, 0.3]])

    assert not model.selection.row_weights(context, rows).numpy().any()
    model.selection.confidence.assign(1.0)
    assert model.selection.row_weights(context, rows).numpy().tolist() == [1, 0]


def test_measuring_moves_no_statistics_and_has_no_gradient():
    model = model_of(normalizing(), selection=tpl.Relative())
    context = context_of(model)
    before = [w.numpy() for w in model.classifier.weights]
    with tf.GradientTape() as tape:
        weights = model.selection.row_weights(
            context, beliefs_of(np.full((12, 3), 1 / 3))
        )
        total = tf.reduce_sum(weights)

    sources = [w.value for w in model.classifier.trainable_weights]
    assert tape.gradient(total, sources) == [None] * len(sources)
    for a, b in zip(before, model.classifier.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_replicas_have_one_threshold(two_replicas):
    one = model_of(selection=tpl.Relative())
    with two_replicas.scope():
        two = model_of(selection=tpl.Relative())
    for model in (one, two):
        model.fit(streams(batch=5, batch_u=7), epochs=2, verbose=0)

    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_wrong_ratios_are_refused():
    with pytest.raises(ValueError, match=r"in \[0, 1\]; got 1.1"):
        tpl.Relative(1.1)


def test_rows_that_come_alone_are_measured():
    """As on alternating streams, where labels and beliefs never meet."""
    model = model_of(
        rate=0.0,
        selection=tpl.Relative(0.9),
        alignment=tpl.RelativeAlignment(decay=0.0),
    )
    p = softmax(model.classifier(X).numpy())

    stream = tpl.alternate_streams(dataset(X, Y), dataset(X_U), 1)
    model.fit(stream, epochs=2, verbose=0)

    expected = p.max(axis=-1).mean()
    assert float(model.selection.confidence) == pytest.approx(expected)
    np.testing.assert_allclose(
        model.alignment.labels, p.mean(axis=0), rtol=1e-5
    )
