"""The squared error of probabilities."""

import tensorflow as tf

from tf_pseudolabel.labels import forms
from tf_pseudolabel.losses import rows
from tf_pseudolabel.losses.term import Term
from tf_pseudolabel.registry import register


@register(
    "unlabeled_loss",
    "brier",
    help="squared error of the outputs, with pseudo-labels",
    says="the squared error of the outputs",
    order=3,
)
class Brier(Term):
    """The squared error of the outputs and pseudo-labels, a mean over classes.

    Bounded, and less sensitive to wrong pseudo-labels than a cross-entropy:
    the loss of unlabeled rows in MixMatch (Berthelot et al., NeurIPS 2019,
    equation 4, whose factor is 1 / (classes · rows), too) and in interpolation
    consistency training (Verma et al., IJCAI 2019). As the `unlabeled_loss` of
    `PseudoLabelModel`. Unlike `Consistency` it compares with the target, hard
    or soft, of mixed rows the mixed one.

    Args:
        weight: Float, at least 0. Defaults to 1.
        name: The name that it is logged by.
    """

    def sums(self, context):
        """The errors, summed; see `Term.sums`."""
        p = context.outputs(context.scores_u).probabilities
        target = forms.distributions(
            context.beliefs.target, p, context.method.questions
        )
        errors = tf.reduce_mean(tf.square(p - target), axis=-1)
        return rows.summed(context.loss, errors, context)
