"""A threshold that follows how sure the network is of labeled rows."""

import tensorflow as tf

from tf_pseudolabel.labels.selections.selection import Selection
from tf_pseudolabel.part import Number
from tf_pseudolabel.registry import Flag, register


def _is_share(ratio):
    if not 0 <= ratio <= 1:
        raise ValueError(
            "`ratio` is a share of the confidence on labeled rows, in [0, 1]; "
            f"got {ratio}."
        )


@register(
    "selection",
    "relative",
    help="a share of the confidence on labeled rows",
    flags=[
        Flag(
            "ratio",
            0.9,
            "relative: share of the confidence on labeled rows",
            least=0,
            most=1,
        ),
        Flag("mean"),
    ],
    says="rows count from {ratio:g} of the confidence on labeled rows on, mean "
    "over {mean} rows",
    order=6,
)
class Relative(Selection):
    """Rows count that are nearly as sure as the labeled ones.

    The threshold is `ratio` times the mean largest probability of the labeled
    rows of the same batch, over all replicas; of an update without labeled
    rows, that of the last one with some (Berthelot et al., "AdaMatch: A Unified
    Approach to Semi-Supervised Learning and Domain Adaptation", ICLR 2022, and
    google-research/adamatch, `semi_supervised/adamatch.py`).

    Args:
        ratio: Float in [0, 1]. May be changed while it trains. Defaults to 0.9,
            as in the paper (USB: 0.95).
        mean: As for `Selection`. Defaults to `"all"`.
        name: Name of the layer.

    Raises:
        ValueError: If the ratio is outside [0, 1] or the mean unknown.
    """

    ratio = Number(_is_share)

    def __init__(self, ratio=0.9, mean="all", name=None):
        super().__init__(mean, name)
        self.ratio = ratio

    def build(self, spec):
        """Makes the confidence that is remembered; see `Part.build`."""
        # As long as there was no labeled row, none of the others counts.
        self.confidence = self.state("confidence", (), 1e9)

    def row_weights(self, context, beliefs):
        """Measures labeled rows, then selects; see `Selection.row_weights`."""
        self._measure(context)
        least = self.ratio * self.confidence.value
        return tf.cast(beliefs.confidence >= least, tf.float32)

    def after_update(self, context):
        """Measures labeled rows that came alone; see `Part.after_update`."""
        if context.beliefs is None:
            self._measure(context)

    def _measure(self, context):
        labeled = context.labeled_scores()
        if labeled is None:
            return
        p = context.outputs(labeled).probabilities
        largest = tf.reduce_max(p, axis=-1, keepdims=True)
        total, count = context.sum_of_labeled(tf.stop_gradient(largest))
        mean = tf.math.divide_no_nan(total[0], count)
        known = self.confidence.value
        self.confidence.assign(tf.where(count > 0, mean, known))

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"ratio": self.ratio, "mean": self.mean}
