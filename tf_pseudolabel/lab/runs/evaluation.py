"""The final figures of a classifier on the examples of a split."""

import keras
import numpy as np

from tf_pseudolabel.lab.analysis.entropy import conditional_entropy

_PREDICTION_BATCH = 512

PROBABILITIES = {
    "softmax": keras.ops.softmax,
    "sigmoid": keras.ops.sigmoid,
}


def probabilities(classifier, examples, output):
    """The classifier's outputs as probabilities.

    Args:
        classifier: A `keras.Model` from images to logits.
        examples: `Examples` with n rows.
        output: `"softmax"` or `"sigmoid"`.

    Returns:
        Float32 array `(n, classes)` in `[0, 1]`.
    """
    logits = classifier.predict(
        examples.images, batch_size=_PREDICTION_BATCH, verbose=0
    )
    # Float32 rounds some sums of exponentials to just above 1.
    return np.clip(np.asarray(PROBABILITIES[output](logits)), 0.0, 1.0)


def measure(classifier, split, output):
    """Test error and conditional entropies.

    Args:
        classifier: A `keras.Model` from images to logits.
        split: The `Split` of the run.
        output: `"softmax"` or `"sigmoid"`.

    Returns:
        A dict with `test_error_percent` and `conditional_entropy`, itself a
        dict with `train`, `unlabeled` and `test` (Lee 2013, equation 17).
    """
    outputs = {
        name: probabilities(classifier, examples, output)
        for name, examples in (
            ("train", split.labeled),
            ("unlabeled", split.unlabeled),
            ("test", split.test),
        )
    }
    wrong = outputs["test"].argmax(axis=-1) != split.test.labels
    return {
        "test_error_percent": round(100 * float(wrong.mean()), 4),
        "conditional_entropy": {
            name: conditional_entropy(rows) for name, rows in outputs.items()
        },
    }
