"""Classes shall be believed equally often."""

import tensorflow as tf

from tf_pseudolabel.labels import running
from tf_pseudolabel.labels.alignments.alignment import Alignment
from tf_pseudolabel.registry import Flag, register


@register(
    "alignment",
    "uniform",
    help="towards classes of one size",
    flags=[
        Flag(
            "average_decay",
            0.999,
            "share that stays of averages over past batches, in an update",
            least=0,
            below=1,
            argument="decay",
        )
    ],
    says="aligned to classes of one size",
    order=1,
)
class UniformAlignment(Alignment):
    """Divides probabilities by how large they are on average.

    `p · (1 / C) / average`, normalized again, where the exponential average,
    uniform at first, moves with the batch *before* it is used. For classes of
    about one size: a class that is hardly ever believed is believed more (Chen
    et al., "SoftMatch", ICLR 2023, and microsoft/Semi-supervised-learning,
    `semilearn/algorithms/hooks/dist_align.py`).

    Args:
        decay: Float in [0, 1). May be changed while it trains. Defaults to
            0.999.
        name: Name of the layer.

    Raises:
        ValueError: If the decay is outside [0, 1).
    """

    decay = running.decay_number()

    def __init__(self, decay=0.999, name=None):
        super().__init__(name=name)
        self.decay = decay

    def build(self, spec):
        """Makes the average; see `Part.build`."""
        classes = spec.classes
        self.average = self.state("average", (classes,), 1.0 / classes)

    def probabilities(self, context, probabilities):
        """Moves the average, then aligns; see `Alignment.probabilities`."""
        sums = context.sum_of_unlabeled(probabilities)
        running.move(self.average, self.decay, *sums)
        return self.align(probabilities)

    def align(self, probabilities):
        """Aligns by the average as it is; see `Alignment.align`."""
        ratio = 1.0 / tf.maximum(self.average.value, 1e-12)
        return normalized(probabilities * ratio)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"decay": self.decay}


def normalized(values):
    """Divides by the sum over classes.

    Args:
        values: Float tensor `(batch, ..., classes)`, none below 0.

    Returns:
        A tensor like it, whose rows sum to 1.
    """
    return values / tf.reduce_sum(values, axis=-1, keepdims=True)
