"""Conditional entropy of a network's outputs (Lee 2013, equation 17)."""

import numpy as np
from scipy.special import entr


def conditional_entropy(probabilities):
    """Measures how undecided the network is about the unlabeled rows.

    `H(y|x') = -1/n' Σ_m Σ_i P log P` with the natural logarithm: 0 if every
    output is 0 or 1, `log(classes)` for a softmax that is uniform on every row.
    Lee's equation has no `(1 - P)` term, for sigmoid outputs neither, so that
    Table 1 of the paper stays comparable.

    Args:
        probabilities: `(n, classes)` outputs in `[0, 1]`, softmax or sigmoid;
            not logits.

    Returns:
        A Python float in nats, at least 0.

    Raises:
        ValueError: If there are no rows, the shape has other than two axes, or
            a value lies outside `[0, 1]`.
    """
    # float64, as 60 000 rows of nearly zero terms are summed.
    values = np.asarray(probabilities, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(
            "Conditional entropy needs outputs of shape (n, classes) with at "
            f"least one row; got shape {values.shape}; pass one row per example"
        )
    # Written so that NaN counts as outside.
    outside = values[~((values >= 0) & (values <= 1))]
    if outside.size:
        raise ValueError(
            "Conditional entropy needs probabilities in [0, 1]; got "
            f"{outside[0]}; apply softmax or sigmoid to logits first"
        )
    return float(entr(values).sum(axis=1).mean())
