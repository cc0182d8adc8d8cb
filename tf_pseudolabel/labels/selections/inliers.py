"""Sure rows that look like labeled ones: a guard against unknown classes."""

import tensorflow as tf

from tf_pseudolabel.labels import running
from tf_pseudolabel.labels.selections.threshold import Threshold
from tf_pseudolabel.part import Number
from tf_pseudolabel.registry import Flag, register


def _is_margin(number):
    if number < 0:
        raise ValueError(
            "`margin` counts standard deviations below the mean of labeled "
            f"rows, at least 0; got {number}."
        )


@register(
    "selection",
    "inliers",
    help="confidence at least --threshold, and logits as large as of labels",
    flags=[
        Flag(
            "inlier_margin",
            2.0,
            "inliers: standard deviations that rows may lie below labeled ones",
            least=0,
            argument="margin",
        ),
        Flag("threshold"),
        Flag("mean"),
    ],
    says="rows count from a confidence of {threshold:g} on whose logits are "
    "not {inlier_margin:g} deviations below those of labeled rows, mean over "
    "{mean} rows",
    order=9,
)
class Inliers(Threshold):
    """Rows count that are sure, and do not look like those of other classes.

    Softmax is sure of one class of those that it knows, whatever a row shows.
    How large logits are, `log(sum(exp(logits)))`, tells more: it is small for
    what a network has not seen (the negative free energy of Liu et al.,
    "Energy-based Out-of-distribution Detection", NeurIPS 2020; in place of a
    confidence for pseudo-labels: Yu et al., "InPL: Pseudo-labeling the Inliers
    First for Imbalanced Semi-supervised Learning", ICLR 2023). They compare it
    with a number that is tuned; here it is that of labeled rows: a row counts
    if `energy >= m - margin * sqrt(v)`, where `m` and `v` are exponential
    averages of the labeled batches' mean and of their variance around `m`,
    which move before they are used.

    The network must give logits. One output `z`, yes or no, is taken for two,
    `-z / 2` and `z / 2`.

    Args:
        margin: Float, at least 0: standard deviations. May be changed while it
            trains. Defaults to 2.
        threshold: As for `Threshold`.
        decay: Float in [0, 1): of both averages. Defaults to 0.99.
        mean: As for `Selection`. Defaults to `"all"`.
        name: Name of the layer.

    Raises:
        ValueError: If a number is out of its range, or the mean unknown.
    """

    fits_multi_label = False
    margin = Number(_is_margin)
    decay = running.decay_number()

    def __init__(
        self, margin=2.0, threshold=0.95, decay=0.99, mean="all", name=None
    ):
        super().__init__(threshold, mean, name)
        self.margin = margin
        self.decay = decay

    def build(self, spec):
        """Makes the averages; see `Part.build`."""
        self.average = self.state("average")
        self.variance = self.state("variance")
        self.seen = self.state("seen")

    def row_weights(self, context, beliefs):
        """Moves the averages, then selects; see `Selection.row_weights`."""
        self._move(context)
        least = self.average.value - self.margin * tf.sqrt(self.variance.value)
        energy = _energy(beliefs.scores, context)
        inside = tf.cast(energy >= least, tf.float32)
        return inside * super().row_weights(context, beliefs)

    def after_update(self, context):
        """Moves by labeled rows that came alone; see `Part.after_update`."""
        if context.beliefs is None:
            self._move(context)

    def _move(self, context):
        scores = context.labeled_scores()
        if not context.has_logits:
            raise ValueError(
                "Inliers compares logits; got a network or a loss of "
                "probabilities. Leave out the last activation, and give the "
                "loss from_logits=True."
            )
        if scores is None:
            return
        energy = _energy(tf.stop_gradient(scores), context)
        energy = energy[..., tf.newaxis]
        total, count = context.sum_of_labeled(energy)
        # The first batch is all that is known; it has a say of its own.
        decay = self.decay * self.seen.value
        running.move(self.average, decay, total[0], count)
        spread = tf.square(energy - self.average.value)
        total, count = context.sum_of_labeled(spread)
        running.move(self.variance, decay, total[0], count)
        self.seen.assign(tf.where(count > 0, 1.0, self.seen.value))

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            "margin": self.margin,
            "threshold": self.threshold,
            "decay": self.decay,
            "mean": self.mean,
        }


def _energy(scores, context):
    logits = tf.cast(scores, tf.float32)
    if context.method.questions:  # Those of no and yes, around 0.
        logits = tf.stack([-logits / 2, logits / 2], axis=-1)
    return tf.reduce_logsumexp(logits, axis=-1)
