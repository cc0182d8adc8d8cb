"""Rows count the more, the surer they are."""

import tensorflow as tf

from tf_pseudolabel.labels import running
from tf_pseudolabel.labels.alignments.uniform import UniformAlignment
from tf_pseudolabel.labels.selections.selection import Selection
from tf_pseudolabel.part import Number
from tf_pseudolabel.registry import Flag, register


def _is_positive(number):
    if number <= 0:
        raise ValueError(
            f"`deviations` says how far down rows count, above 0; got {number}."
        )


@register(
    "selection",
    "gaussian",
    help="the more, the surer: a Gaussian of the confidence",
    flags=[
        Flag(
            "deviations",
            2.0,
            "gaussian: divides the width; 2 is the authors', 1 their equation",
            least=0.01,
        ),
        Flag("average_decay", argument="decay"),
        Flag("mean"),
    ],
    says="rows count by a Gaussian of their confidence, mean over {mean} rows",
    order=5,
)
class Gaussian(Selection):
    """Weights of a Gaussian of the confidence, cut off at its mean.

    `exp(-(min(confidence - m, 0))^2 / (2 v / n^2))`: `m` and `v` are
    exponential averages of the batches' mean and unbiased variance of the
    confidence, 1 / C and 1 at first, and move *before* they are used; `n` is
    `deviations`. A row that is surer than the average counts 1. The confidence
    is that of probabilities aligned to classes of one size; the pseudo-label
    is of those that are not (Chen et al., "SoftMatch: Addressing the
    Quantity-Quality Trade-off in Semi-supervised Learning", ICLR 2023, and
    microsoft/Semi-supervised-learning, `semilearn/algorithms/softmatch/
    utils.py`, which has n = 2 where the paper's equation has 1).

    Args:
        deviations: Float above 0. May be changed while it trains. Defaults to
            2.
        decay: Float in [0, 1): of all averages. Defaults to 0.999.
        mean: As for `Selection`. Defaults to `"all"`.
        name: Name of the layer.

    Raises:
        ValueError: If a number is out of its range, or the mean unknown.
    """

    fits_multi_label = False
    deviations = Number(_is_positive)

    def __init__(self, deviations=2.0, decay=0.999, mean="all", name=None):
        super().__init__(mean, name)
        self.deviations = deviations
        self._alignment = UniformAlignment(decay)

    @property
    def decay(self):
        """Float: the share of all averages that stays in an update."""
        return self._alignment.decay

    @decay.setter
    def decay(self, decay):
        self._alignment.decay = decay

    def build(self, spec):
        """Makes the averages; see `Part.build`."""
        self._alignment.build_for(spec)
        self.average = self.state("average", (), 1.0 / spec.classes)
        self.variance = self.state("variance", (), 1.0)

    def row_weights(self, context, beliefs):
        """Moves the averages, then weighs; see `Selection.row_weights`."""
        aligned = self._alignment.probabilities(context, beliefs.raw)
        confidence = tf.reduce_max(aligned, axis=-1)
        self._move(context, confidence)
        below = tf.minimum(confidence - self.average.value, 0.0)
        width = 2.0 * self.variance.value / self.deviations**2
        # Where all are as sure, it may fall to 0: who is not below counts 1.
        return tf.exp(-tf.square(below) / tf.maximum(width, 1e-30))

    def _move(self, context, confidence):
        powers = tf.stack([confidence, tf.square(confidence)], axis=-1)
        (total, squares), count = _unstacked(context.sum_of_unlabeled(powers))
        running.move(self.average, self.decay, total, count)
        # Of one row there is no variance, and it stays.
        mean = tf.math.divide_no_nan(total, count)
        spread = tf.maximum(squares - count * tf.square(mean), 0.0)
        freedom = tf.maximum(count - 1.0, 0.0)
        running.move(self.variance, self.decay, spread, freedom)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            "deviations": self.deviations,
            "decay": self.decay,
            "mean": self.mean,
        }


def _unstacked(sums):
    return tf.unstack(sums[0]), sums[1]
