"""The final figures of a classifier on the examples of a split."""

import keras
import numpy as np

from tf_pseudolabel.lab.analysis.entropy import conditional_entropy
from tf_pseudolabel.lab.data import batches

_PREDICTION_BATCH = 512
_AT_ONCE = 65_536

PROBABILITIES = {
    "softmax": keras.ops.softmax,
    "sigmoid": keras.ops.sigmoid,
}


def probabilities(classifier, examples, output):
    """The classifier's outputs as probabilities.

    Args:
        classifier: A `keras.Model` from inputs to logits.
        examples: `Examples` with n rows.
        output: `"softmax"` or `"sigmoid"`.

    Returns:
        Float32 array `(n, classes)` in `[0, 1]`.
    """
    rows = batches.inputs_alone(examples, _PREDICTION_BATCH)
    found = np.asarray(classifier.predict(rows, verbose=0))
    # In place, as there may be a million rows.
    for start in range(0, len(found), _AT_ONCE):
        some = found[start : start + _AT_ONCE]
        # Float32 rounds some sums of exponentials to just above 1.
        np.clip(np.asarray(PROBABILITIES[output](some)), 0.0, 1.0, out=some)
    return found


def outputs(classifier, split, output):
    """The classifier's probabilities on the rows of a split.

    Args:
        classifier: A `keras.Model` from inputs to logits.
        split: The `Split` of the run.
        output: `"softmax"` or `"sigmoid"`.

    Returns:
        A dict from `"train"`, `"unlabeled"` and `"test"` to float32 arrays
        `(n, classes)` in `[0, 1]`.
    """
    return {
        name: probabilities(classifier, examples, output)
        for name, examples in (
            ("train", split.labeled),
            ("unlabeled", split.unlabeled),
            ("test", split.test),
        )
    }


def right(found, split):
    """Which test rows a classifier gets right.

    Args:
        found: What `outputs` returned.
        split: The `Split` of the run.

    Returns:
        Bool array `(n,)`.
    """
    return found["test"].argmax(axis=-1) == split.test.labels


def figures(found, split):
    """Test error and conditional entropies.

    Args:
        found: What `outputs` returned.
        split: The `Split` of the run.

    Returns:
        A dict with `test_error_percent` and `conditional_entropy`, itself a
        dict with `train`, `unlabeled` and `test` (Lee 2013, equation 17).
    """
    wrong = ~right(found, split)
    return {
        "test_error_percent": round(100 * float(wrong.mean()), 4),
        "conditional_entropy": {
            name: conditional_entropy(rows) for name, rows in found.items()
        },
    }
