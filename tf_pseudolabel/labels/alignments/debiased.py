"""What the network says too often is believed less."""

import tensorflow as tf

from tf_pseudolabel.labels import running
from tf_pseudolabel.labels.alignments.alignment import Alignment
from tf_pseudolabel.part import Number, at_least_zero
from tf_pseudolabel.registry import Flag, register


@register(
    "alignment",
    "debiased",
    help="less of what is said too often",
    flags=[
        Flag("tau", 1.0, "debiased: how strongly", least=0),
        Flag("average_decay", argument="decay"),
    ],
    says="debiased (tau {tau:g})",
    order=4,
)
class DebiasedAlignment(Alignment):
    """Logits minus `tau` times the logarithm of the mean belief.

    `softmax(z - tau · log q)`, which is `p / q^tau`, normalized again: q is the
    exponential average of the probabilities, not aligned, 1 / C at first, and
    moves *after* the update. For imbalanced classes, to which pseudo-labels
    add their own bias (Wang et al., "Debiased Learning from Naturally
    Imbalanced Pseudo-Labels", CVPR 2022, equation 3, and frank-xwang/
    debiased-pseudo-labeling, `main_DebiasPL.py`). `DebiasedLoss` is its loss of
    the strong view.

    Args:
        tau: Float, at least 0. May be changed while it trains. Defaults to 1.
        decay: Float in [0, 1). May be changed while it trains. Defaults to
            0.999.
        name: Name of the layer.

    Raises:
        ValueError: If a number is out of its range.
    """

    tau = Number(at_least_zero("tau"))
    decay = running.decay_number()

    def __init__(self, tau=1.0, decay=0.999, name=None):
        super().__init__(name=name)
        self.tau, self.decay = tau, decay

    def build(self, spec):
        """Makes the average; see `Part.build`."""
        classes = spec.classes
        self.average = self.state("average", (classes,), 1.0 / classes)

    def align(self, probabilities):
        """Aligns by the average as it is; see `Alignment.align`."""
        return tf.nn.softmax(
            tf.math.log(tf.maximum(probabilities, 1e-30))
            - self.tau * tf.math.log(tf.maximum(self.average.value, 1e-12))
        )

    def after_update(self, context):
        """Moves the average; see `Part.after_update`."""
        if context.beliefs is not None:
            sums = context.sum_of_unlabeled(context.beliefs.raw)
            running.move(self.average, self.decay, *sums)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"tau": self.tau, "decay": self.decay}
