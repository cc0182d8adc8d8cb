"""Asks every output for a decision."""

import tensorflow as tf

from tf_pseudolabel.losses.term import Term
from tf_pseudolabel.registry import Flag, register


@register(
    "term",
    "minimum_entropy",
    flags=[
        Flag(
            "minimum_entropy",
            0.0,
            "weight of the entropy of all outputs, times alpha; 0: none",
            least=0,
            argument="weight",
        )
    ],
    says="entropy of all outputs weighed {minimum_entropy:g}",
    order=1,
)
class MinimumEntropy(Term):
    """The mean entropy of the outputs, labeled and unlabeled.

    `-1/n sum_m sum_c p log p` over all rows of the global batch (Grandvalet &
    Bengio, "Semi-supervised Learning by Entropy Minimization", NIPS 2004). With
    soft labels it keeps outputs from staying undecided: R_H of Arazo et al.
    (2020, equation 5). Of outputs that are yes or no each, it is the mean over
    all of them.

    Args:
        weight: Float, at least 0. Arazo et al. use 0.4, the default.
        name: The name that it is logged by.
    """

    def __init__(self, weight=0.4, name=None):
        super().__init__(weight, name)

    def sums(self, context):
        """The entropies of the rows of both batches; see `Term.sums`."""
        total, rows = context.sum_over_both(_entropies)
        return total[0], rows


def _entropies(outputs):
    products = outputs.probabilities * outputs.logarithms
    return -tf.reduce_sum(products, axis=-1, keepdims=True)
