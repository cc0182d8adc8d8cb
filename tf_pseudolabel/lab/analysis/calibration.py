"""Whether a network is right as often as it is sure (Guo et al. 2017).

Guo, Pleiss, Sun & Weinberger, "On Calibration of Modern Neural Networks",
ICML 2017.
"""

import dataclasses

import numpy as np

BINS = 15  # as in the paper


@dataclasses.dataclass(frozen=True, eq=False)
class Reliability:
    """Confidence and accuracy of rows, in bins of equal width.

    Args:
        edges: Float array `(bins + 1,)` from 0 to 1.
        count: Rows in each bin, int `(bins,)`.
        confidence: Mean confidence in each bin `(bins,)`; NaN without rows.
        accuracy: Share of right rows in each bin `(bins,)`; NaN without rows.
        error: The expected calibration error in `[0, 1]`: the mean over all
            rows of their bin's |accuracy - confidence|.
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    error: float


def reliability(confidence, correct, bins=BINS):
    """Sorts rows into bins of confidence.

    Bin m of M holds confidences in ((m - 1) / M, m / M]; 0 is in the first.

    Args:
        confidence: Float array `(n,)` in `[0, 1]`, `n >= 1`.
        correct: Bool array `(n,)`: whether the prediction was right.
        bins: How many. Defaults to `BINS`.

    Returns:
        A `Reliability`.

    Raises:
        ValueError: If there are no rows, or a confidence is outside `[0, 1]`.
    """
    confidence = np.asarray(confidence, np.float64)
    correct = np.asarray(correct, np.float64)
    # Written so that NaN counts as outside.
    if not len(confidence) or not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError(
            "Calibration needs at least one row, and confidences in [0, 1]; "
            f"got {len(confidence)} rows, {confidence}; apply softmax or "
            "sigmoid to logits first"
        )
    edges = np.linspace(0, 1, bins + 1)
    index = np.maximum(np.searchsorted(edges, confidence) - 1, 0)
    count = np.bincount(index, minlength=bins)
    sums = [
        np.bincount(index, weights=values, minlength=bins)
        for values in (confidence, correct)
    ]
    with np.errstate(invalid="ignore"):
        means = [total / count for total in sums]
    gap = np.abs(sums[1] - sums[0]).sum() / len(confidence)
    return Reliability(edges, count, *means, float(gap))
