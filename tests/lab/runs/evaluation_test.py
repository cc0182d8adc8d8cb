import keras
import numpy as np
import pytest

from tf_pseudolabel.lab.data.examples import Examples
from tf_pseudolabel.lab.data.splits import Split
from tf_pseudolabel.lab.runs import evaluation

LOGITS = np.array(
    [[2.0, -1.0, 0.5], [0.0, 3.0, 0.0], [1.0, 1.5, -200.0], [9.0, 0.0, 90.0]],
    np.float32,
)


def _examples(rows, labels):
    """Images of one row and column whose channels are to be the logits."""
    return Examples(
        inputs=LOGITS[rows][:, None, None, :],
        labels=np.array(labels),
        ids=np.array([f"row/{row}" for row in rows]),
    )


@pytest.fixture(scope="module")
def identity():
    return keras.Sequential(
        [keras.Input((1, 1, 3), dtype="float32"), keras.layers.Flatten()]
    )


def _softmax(x):
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(np.float64)))


@pytest.mark.parametrize(
    ("output", "function"), [("softmax", _softmax), ("sigmoid", _sigmoid)]
)
def test_probabilities_by_hand(identity, output, function):
    examples = _examples([0, 1, 2, 3], [0, 0, 0, 0])
    found = evaluation.probabilities(identity, examples, output)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, function(LOGITS), rtol=1e-5, atol=1e-30)
    assert found.min() >= 0
    assert found.max() <= 1


def test_figures_by_hand(identity):
    split = Split(
        labeled=_examples([0], [1]),
        unlabeled=_examples([1, 2], [-1, -1]),
        validation=_examples([3], [0]),
        test=_examples([0, 1, 2], [0, 2, 2]),  # right, wrong, wrong
    )
    outputs = evaluation.outputs(identity, split, "softmax")
    found = evaluation.figures(outputs, split)
    np.testing.assert_array_equal(
        evaluation.right(outputs, split), [True, False, False]
    )
    assert found["test_error_percent"] == 66.6667
    p = _softmax(LOGITS.astype(np.float64))
    each = -(p * np.log(p, where=p > 0, out=np.zeros_like(p))).sum(axis=-1)
    assert found["conditional_entropy"] == pytest.approx(
        {
            "train": each[0],
            "unlabeled": each[1:3].mean(),
            "test": each[:3].mean(),
        },
        rel=1e-5,
    )
