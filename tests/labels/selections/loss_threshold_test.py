import keras
import numpy as np
import pytest

import tf_pseudolabel as tpl
from tests.contexts import (
    X,
    Y,
    beliefs_of,
    context_of,
    linear,
    model_of,
    passed,
    softmax,
    streams,
)


def _labeled_loss(model):
    p = softmax(model.classifier(X).numpy())
    return -np.log(p[np.arange(len(Y)), Y]).mean()


def test_it_begins_with_the_loss_of_the_labels():
    model = model_of(selection=tpl.LossThreshold())
    first = _labeled_loss(model)

    passed(model)

    assert float(model.selection.first) == pytest.approx(first, rel=1e-5)


def test_updates_on_labels_alone_are_averaged_first():
    model = model_of(selection=tpl.LossThreshold())
    losses = []
    for shift in (0.0, 1.0):
        kernel = model.classifier.weights[0]
        kernel.assign_add(np.full(kernel.shape, shift) * [[1, 0, 0]])
        losses.append(_labeled_loss(model))
        context = context_of(model, unlabeled=None)
        context.pass_labeled()
        model.selection.after_update(context)

    expected = 0.9 * losses[0] + 0.1 * losses[1]
    assert float(model.selection.first) == pytest.approx(expected, rel=1e-5)


def test_it_falls_and_stays():
    selection = model_of(
        selection=tpl.LossThreshold(every=2, fall=1.5, least=0.3)
    ).selection
    selection.first.assign(1.0)
    found = []
    for update in range(9):
        selection.updates.assign(update)
        found.append(float(selection.threshold()))

    expected = [max(1.0001 * 1.5 ** -(i // 2), 0.3) for i in range(9)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_rows_of_a_small_loss_count():
    model = model_of(selection=tpl.LossThreshold())
    model.selection.first.assign(-np.log(0.5) / 1.0001)
    context = context_of(model)

    weights = model.selection.row_weights(
        context, beliefs_of([[0.51, 0.49, 0], [0.4, 0.3, 0.3]])
    )

    assert weights.numpy().tolist() == [1, 0]


def test_replicas_and_the_count_of_updates(two_replicas):
    one = model_of(selection=tpl.LossThreshold(every=2))
    with two_replicas.scope():
        two = model_of(selection=tpl.LossThreshold(every=2))
    for model in (one, two):
        model.fit(streams(batch=5, batch_u=7), epochs=3, verbose=0)

    assert float(one.selection.updates) == 6
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"every": 0}, "`every` must be at least 1; got 0"),
        ({"fall": 0.9}, "`fall` must be at least 1; got 0.9"),
        ({"least": -1}, "`least` must be at least 0; got -1"),
    ],
)
def test_wrong_numbers_are_refused(choices, message):
    with pytest.raises(ValueError, match=message):
        tpl.LossThreshold(**choices)


def test_a_batch_of_weight_0_has_no_loss():
    model = model_of(selection=tpl.LossThreshold(), rate=0.0)
    weight = np.repeat([0.0, 1.0], 4)
    p = softmax(model.classifier(X).numpy())
    expected = -np.log(p[np.arange(len(Y)), Y])[4:].mean()

    model.fit(streams((X, Y, weight), batch=4, batch_u=6), verbose=0)

    assert float(model.selection.first) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_the_loss_of_one_output_is_that_of_its_answer(label):
    network = linear(classes=1)
    network.set_weights([np.zeros((4, 1)), np.array([3.0])])
    model = model_of(
        network,
        keras.losses.BinaryCrossentropy(from_logits=True),
        selection=tpl.LossThreshold(),
    )

    passed(model, (X, np.full((8, 1), label, np.float32)))

    expected = np.log1p(np.exp(-3.0 if label else 3.0))
    assert float(model.selection.first) == pytest.approx(expected, rel=1e-5)
