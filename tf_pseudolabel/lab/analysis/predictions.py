"""What a network's probabilities say about rows: classes and margins."""

import numpy as np


def confusion(true, predicted, classes):
    """Counts which class is taken for which.

    Args:
        true: True class ids `(n,)`.
        predicted: Predicted class ids `(n,)`.
        classes: Number of classes.

    Returns:
        Int array `(classes, classes)`: rows are true, columns predicted.
    """
    cells = np.asarray(true) * classes + np.asarray(predicted)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def margins(probabilities):
    """Measures how far the first choice is ahead of the second.

    Args:
        probabilities: Float array `(n, classes)` in `[0, 1]`, `classes >= 2`.

    Returns:
        Float array `(n,)` in `[0, 1]`: the difference of the two largest.
    """
    top = np.partition(probabilities, -2, axis=-1)
    return top[:, -1] - top[:, -2]


def shares(values, bins):
    """Makes a histogram of values between 0 and 1.

    Args:
        values: Float array `(n,)` in `[0, 1]`, `n >= 1`.
        bins: Number of bins of equal width; 1 is in the last.

    Returns:
        A pair: the share of rows in each bin `(bins,)`, which sum to 1, and
        the edges `(bins + 1,)`.
    """
    counts, edges = np.histogram(values, bins=bins, range=(0, 1))
    return counts / len(values), edges
