"""Rows of weight 0 are as good as absent: to averages, terms and statistics."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import (
    X_U,
    X,
    Y,
    dataset,
    eager_updates,
    model_of,
    streams,
)

# With a loss whose mean divides by weights.
LOSS = keras.losses.SparseCategoricalCrossentropy(
    from_logits=True, reduction="mean_with_sample_weight"
)
CHOICES = {
    "lee2013": {},
    "threshold": {"selection": lambda: tpl.Threshold(0.5, "accepted")},
    "relative": {
        "selection": tpl.Relative,
        "alignment": tpl.RelativeAlignment,
    },
    "self-adaptive": {"selection": tpl.SelfAdaptive, "terms": [tpl.Fairness]},
    "gaussian": {"selection": tpl.Gaussian},
    "loss threshold": {"selection": tpl.LossThreshold},
    "inliers": {"selection": tpl.Inliers},
    "distribution": {"alignment": tpl.DistributionAlignment},
    "uniform": {"alignment": tpl.UniformAlignment},
    "debiased": {
        "alignment": tpl.DebiasedAlignment,
        "unlabeled_loss": tpl.DebiasedLoss,
    },
    "class prior": {"terms": [tpl.ClassPrior, tpl.MinimumEntropy]},
    "consistency": {
        "teacher": tpl.Averaged,
        "unlabeled_loss": lambda: tpl.Consistency(labeled=True),
    },
}


def _model(choices):
    made = {
        name: [term() for term in part] if name == "terms" else part()
        for name, part in choices.items()
    }
    return model_of(loss=LOSS, **made)


def _with_outliers(*arrays):
    """Three rows more, of weight 0, before the others."""
    outliers = np.random.default_rng(1).normal(5.0, 3.0, (3, 4))
    x, *others = arrays
    x = np.concatenate([outliers.astype("float32"), x])
    others = [np.concatenate([y[:3], y]) for y in others]
    return x, *others, np.repeat([0.0, 1.0], [3, len(x) - 3])


@pytest.mark.parametrize("choices", CHOICES.values(), ids=CHOICES)
def test_rows_of_weight_0_are_absent(choices):
    hidden = np.arange(len(X_U)) % 3
    absent, there = _model(choices), _model(choices)
    weights = np.ones(len(X)), np.ones(len(X_U))
    for _ in range(3):
        logs = eager_updates(
            absent, streams((X, Y, weights[0]), (X_U, hidden, weights[1]))
        )
        found = eager_updates(
            there, streams(_with_outliers(X, Y), _with_outliers(X_U, hidden))
        )

    for name in logs:
        assert found[name] == pytest.approx(logs[name], rel=1e-5), name
    for a, b in zip(there.weights, absent.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg=b.path)
    summary = absent.statistics.summary()
    for name, value in there.statistics.summary().items():
        np.testing.assert_allclose(value, summary[name], rtol=1e-5)


TOKENS = np.random.default_rng(2).normal(size=(6, 5, 4)).astype("float32")
IDS = np.array([[0, 1, 2, -1, -1]] * 6)


def _of_any_length(tensor):
    shape = [None, None, *tensor.shape[2:]]
    return tf.compat.v1.placeholder_with_default(tensor, shape)


@pytest.mark.parametrize("ignored", [-1, 255])
@pytest.mark.parametrize(
    "choices",
    [
        {"selection": tpl.Relative},
        {"selection": tpl.LossThreshold},
        {"selection": tpl.Inliers},
        {"alignment": tpl.DistributionAlignment},
        {"alignment": tpl.RelativeAlignment},
        {"terms": [tpl.ClassPrior]},
    ],
    ids=lambda choices: next(iter(choices.values())),
)
def test_positions_that_the_loss_ignores_are_absent(choices, ignored):
    """Beside a stream of the other positions alone."""

    def updated(x, ids):
        keras.utils.set_random_seed(1)
        network = keras.Sequential(
            [keras.Input((None, 4)), keras.layers.Dense(3)]
        )
        made = {
            name: [term() for term in part] if name == "terms" else part()
            for name, part in choices.items()
        }
        model = model_of(
            network,
            keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, ignore_class=ignored
            ),
            **made,
        )
        labeled = dataset(x, ids).map(
            lambda x, y: (_of_any_length(x), _of_any_length(y))
        )
        unlabeled = dataset(TOKENS).map(_of_any_length)
        eager_updates(model, tpl.merge_streams(labeled, unlabeled))
        return model

    found = updated(TOKENS, np.where(IDS < 0, ignored, IDS))
    expected = updated(TOKENS[:, :3], IDS[:, :3])

    for a, b in zip(found.weights, expected.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6, err_msg=b.path)
