"""Entropy regularization: outputs on unlabeled rows shall be sure."""

import tensorflow as tf

from tf_pseudolabel.losses import rows
from tf_pseudolabel.losses.term import Term
from tf_pseudolabel.registry import register


@register(
    "unlabeled_loss",
    "entropy",
    help="of the outputs",
    says="the entropy of the outputs in place of a pseudo-label loss",
)
class ConditionalEntropy(Term):
    """The entropy of the outputs on unlabeled rows; labels do not count.

    `-sum_c P_c log P_c`, averaged over the batch. As the `unlabeled_loss` of
    `PseudoLabelModel` it makes the objective of entropy regularization,
    labeled loss + alpha · H(y | x'), in place of pseudo-labels (Grandvalet &
    Bengio, "Semi-supervised Learning by Entropy Minimization", NIPS 2004; Lee
    2013, equations 17 and 18, where alpha is called lambda). Among the `terms`
    it is added to them.

    What the scores are (logits or probabilities, softmax or sigmoid) is known
    from the network and the compiled loss. For sigmoid outputs of which a row
    has one, too, there is no `(1 - P)` term, as in Lee's equation. They have no
    entropy either where all of them are 0, and that is where some rows go: none
    of the classes, for sure. Softmax outputs cannot. Of a single output, and of
    those with the target `MultiHot`, it is the entropy of yes and no, averaged
    over the outputs, too.

    Args:
        weight: Float, at least 0. Defaults to 1.
        name: The name that it is logged by.
    """

    def sums(self, context):
        """The entropies, summed; see `Term.sums`."""
        outputs = context.outputs(context.scores_u)
        entropies = -tf.reduce_sum(
            outputs.probabilities * outputs.logarithms, axis=-1
        )
        return rows.summed(context.loss, entropies, context)
