"""A cross-entropy that asks for more where a class is said too often."""

import tensorflow as tf

from tf_pseudolabel.labels import forms, running
from tf_pseudolabel.losses import rows
from tf_pseudolabel.losses.term import Term
from tf_pseudolabel.part import Number, at_least_zero
from tf_pseudolabel.registry import Flag, register


@register(
    "unlabeled_loss",
    "debiased",
    help="cross-entropy with a margin for what is said too often",
    flags=[Flag("tau"), Flag("average_decay", argument="decay")],
    says="a cross-entropy with a margin (tau {tau:g}) in place of the loss",
    order=4,
)
class DebiasedLoss(Term):
    """The cross-entropy of pseudo-labels and `z + tau · log q`.

    q is the exponential average of the teacher's probabilities, not aligned,
    1 / C at first, and moves *before* it is used: a class that is said too
    often must win by more. The adaptive marginal loss of Wang et al., "Debiased
    Learning from Naturally Imbalanced Pseudo-Labels", CVPR 2022, equation 5,
    for the alignment `DebiasedAlignment`. For softmax outputs.

    Args:
        tau: Float, at least 0. May be changed while it trains. Defaults to 1.
        decay: Float in [0, 1). May be changed while it trains. Defaults to
            0.999.
        weight: Float, at least 0. Defaults to 1.
        name: The name that it is logged by.

    Raises:
        ValueError: If a number is out of its range.
    """

    fits_multi_label = False
    tau = Number(at_least_zero("tau"))
    decay = running.decay_number()

    def __init__(self, tau=1.0, decay=0.999, weight=1.0, name=None):
        super().__init__(weight, name)
        self.tau, self.decay = tau, decay

    def build(self, spec):
        """Makes the average; see `Part.build`."""
        classes = spec.classes
        self.average = self.state("average", (classes,), 1.0 / classes)

    def sums(self, context):
        """The cross-entropies, summed; see `Term.sums`."""
        sums = context.sum_of_unlabeled(context.beliefs.raw)
        running.move(self.average, self.decay, *sums)
        logs = context.outputs(context.scores_u).logarithms
        margin = tf.math.log(tf.maximum(self.average.value, 1e-12))
        logs = tf.nn.log_softmax(logs + self.tau * margin)
        target = forms.distributions(
            context.beliefs.target, logs, context.method.questions
        )
        losses = -tf.reduce_sum(target * logs, axis=-1)
        return rows.summed(context.loss, losses, context)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"tau": self.tau, "decay": self.decay, **super().get_config()}
