import keras
import numpy as np
import pytest

import tf_pseudolabel as tpl
from tests.contexts import ONE_HOT, X, Y, model_of, softmax, streams

COUNTS = np.array([6, 3, 1])


@pytest.mark.parametrize("labels", [Y, Y[:, None], ONE_HOT[Y]])
def test_the_cross_entropy_of_adjusted_logits(labels):
    scores = X[:, :3]
    p = softmax(scores + 0.5 * np.log(COUNTS / 10))

    found = tpl.LogitAdjusted(COUNTS, 0.5)(labels, scores)

    expected = -np.log(p[np.arange(len(Y)), Y]).mean()
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_in_a_model_scores_are_logits():
    model = model_of(loss=tpl.LogitAdjusted(COUNTS))
    logs = model.fit(streams(), verbose=0).history

    assert np.isfinite(logs["loss"]).all()


def test_it_is_saved_and_wrong_priors_are_refused():
    loss = tpl.LogitAdjusted(COUNTS, 0.5)
    made = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    )
    np.testing.assert_allclose(made.prior, [0.6, 0.3, 0.1])
    assert made.tau == 0.5
    with pytest.raises(ValueError, match="a share above 0 for every class"):
        tpl.LogitAdjusted([1, 0])
    with pytest.raises(ValueError, match="`tau` must be at least 0"):
        tpl.LogitAdjusted([1, 1], -1)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_of_softmax_the_logits_are_taken(policy):
    keras.utils.set_random_seed(0)
    prior = [0.6, 0.3, 0.1]
    x, y = np.random.default_rng(0).normal(size=(5, 4)), np.arange(5) % 3
    dense = keras.layers.Dense(3, dtype=policy)
    losses = []
    for last in ([], [keras.layers.Softmax()]):
        network = keras.Sequential([keras.Input((4,)), dense, *last])
        network.compile("sgd", tpl.LogitAdjusted(prior))
        losses.append(network.evaluate(x, y, verbose=0))

    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_a_share_for_every_class():
    loss = tpl.losses.LogitAdjusted([1, 2])
    with pytest.raises(ValueError, match="for every class; got 2 for 3"):
        loss(np.array([0, 1]), np.zeros((2, 3), np.float32))
