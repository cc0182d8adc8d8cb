"""Classes shall be believed as often as the network says of labeled rows."""

import tensorflow as tf

from tf_pseudolabel.labels import running
from tf_pseudolabel.labels.alignments.distribution import DistributionAlignment
from tf_pseudolabel.registry import Flag, register


@register(
    "alignment",
    "relative",
    help="towards what the network says of labeled rows",
    flags=[Flag("average_decay", argument="decay")],
    says="aligned to what the network says of labeled rows",
    order=3,
)
class RelativeAlignment(DistributionAlignment):
    """AdaMatch's alignment: to the beliefs about labeled rows.

    As `DistributionAlignment`, but for what is averaged of labeled rows, the
    network's probabilities, and for when both averages move: with the batch,
    *before* they are used (Berthelot et al., "AdaMatch", ICLR 2022, equation 3,
    and google-research/adamatch, `semi_supervised/adamatch.py`).

    Args:
        decay: Float in [0, 1): of the average over labeled rows. May be changed
            while it trains. Defaults to 0.999.
        length: Int: unlabeled batches that are remembered. Defaults to 128.
        name: Name of the layer.

    Raises:
        ValueError: If a number is out of its range.
    """

    traced_attributes = ("length",)

    def __init__(self, decay=0.999, length=128, name=None):
        super().__init__(None, decay, length, name)

    def probabilities(self, context, probabilities):
        """Moves both, then aligns; see `Alignment.probabilities`."""
        self._move(context)
        self.remember(*context.sum_of_unlabeled(probabilities))
        return self.align(probabilities)

    def after_update(self, context):
        """Moves by labeled rows that came alone; see `Part.after_update`."""
        if context.beliefs is None:
            self._move(context)

    def _move(self, context):
        labeled = context.labeled_scores()
        if labeled is not None:
            p = context.outputs(labeled).probabilities
            sums = context.sum_of_labeled(tf.stop_gradient(p))
            running.move(self.labels, self.decay, *sums)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"decay": self.decay, "length": self.length}
