"""Keeps the network from calling everything one class."""

import tensorflow as tf

from tf_pseudolabel.losses.term import Term
from tf_pseudolabel.registry import Flag, register


@register(
    "term",
    "class_prior",
    flags=[
        Flag(
            "class_prior",
            0.0,
            "weight of the class prior, times alpha; 0: none",
            least=0,
            argument="weight",
        )
    ],
    says="class prior weighed {class_prior:g}",
)
class ClassPrior(Term):
    """The cross-entropy of uniform classes and the mean output.

    `-sum_c 1/C log(mean_c)`, where `mean` is the mean probability over all
    rows, labeled and unlabeled, of the global batch. Least where every class
    is predicted equally often, which keeps soft labels from collapsing on one:
    R_A of Arazo et al. (2020, equation 4), and L_p of their code.

    Args:
        weight: Float, at least 0. Arazo et al. use 0.8, the default.
        name: The name that it is logged by.
    """

    # Classes of which a row has any number have no prior that sums to 1.
    fits_multi_label = False

    def __init__(self, weight=0.8, name=None):
        super().__init__(weight, name)

    def sums(self, context):
        """The probabilities of the rows of both batches; see `Term.sums`."""
        return context.sum_over_both(lambda outputs: outputs.probabilities)

    def of_mean(self, mean):
        """Returns the penalty for a mean output, float tensor `(classes,)`."""
        return -tf.reduce_mean(tf.math.log(tf.maximum(mean, 1e-12)))
