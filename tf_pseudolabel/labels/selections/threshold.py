"""One confidence from which on rows count."""

import tensorflow as tf

from tf_pseudolabel.labels.selections.selection import Selection
from tf_pseudolabel.part import Number
from tf_pseudolabel.registry import Flag, register


def _is_probability(threshold):
    if not 0 <= threshold <= 1:
        raise ValueError(
            "`threshold` is a probability, in [0, 1]; got "
            f"{threshold}. 0 accepts every row."
        )


@register(
    "selection",
    "threshold",
    help="confidence at least --threshold",
    flags=[
        Flag("threshold", 0.95, "threshold: confidence", least=0, most=1),
        Flag(
            "mean",
            "all",
            "rows that the pseudo-label loss is averaged over: all, or those "
            "accepted",
            choices=["all", "accepted"],
        ),
    ],
    says="rows count from a confidence of {threshold:g} on, mean over {mean} "
    "rows",
    order=1,
)
class Threshold(Selection):
    """Rows count whose largest probability reaches a threshold.

    Args:
        threshold: Float in [0, 1]. May be changed while it trains. Defaults to
            0.95, as in Oliver et al. (2018), FixMatch and USB.
        mean: As for `Selection`. Defaults to `"all"` (Oliver et al., FixMatch,
            USB).
        name: Name of the layer.

    Raises:
        ValueError: If the threshold is outside [0, 1] or the mean unknown.
    """

    threshold = Number(_is_probability)

    def __init__(self, threshold=0.95, mean="all", name=None):
        super().__init__(mean, name)
        self.threshold = threshold

    def row_weights(self, context, beliefs):
        """1 for the rows that count, else 0; see `Selection.row_weights`."""
        return tf.cast(beliefs.confidence >= self.threshold, tf.float32)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"threshold": self.threshold, "mean": self.mean}
