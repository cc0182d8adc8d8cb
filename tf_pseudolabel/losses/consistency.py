"""Student and teacher shall say the same of a row."""

import tensorflow as tf

from tf_pseudolabel.losses import rows
from tf_pseudolabel.losses.term import Term
from tf_pseudolabel.registry import Flag, register

DISTANCES = ("mse", "kl")


@register(
    "unlabeled_loss",
    "consistency",
    help="how far student and teacher are apart",
    flags=[
        Flag(
            "distance",
            "mse",
            "consistency: of probabilities, squared or Kullback-Leibler",
            choices=["mse", "kl"],
        ),
        Flag(
            "consistent_labels",
            False,
            "consistency: of labeled rows, too",
            argument="labeled",
        ),
    ],
    says="the distance ({distance}) of student and teacher in place of a "
    "pseudo-label loss",
    order=1,
)
class Consistency(Term):
    """How far the student's probabilities are from the teacher's.

    `"mse"`: the mean over classes of squared differences; `"kl"`: the
    divergence of the student from the teacher. No gradient flows into the
    teacher. As the `unlabeled_loss`, with the teacher `Averaged`, it makes a
    Mean Teacher (Tarvainen & Valpola, NeurIPS 2017, equation 1); with
    `"training"`, a Pi-model (Laine & Aila, "Temporal Ensembling
    for Semi-Supervised Learning", ICLR 2017; theirs has gradients through both
    passes, later ones, as here, through one).

    Teacher and student must differ, in their weights, views or dropout masks:
    else the distance is 0, of which a model warns.

    Args:
        distance: `"mse"` or `"kl"`. Defaults to `"mse"`.
        labeled: Whether labeled rows count, too, as in Mean Teacher: one mean
            over the rows of both batches. Of views the teacher sees another
            draw. Defaults to False.
        weight: Float, at least 0. Defaults to 1.
        name: The name that it is logged by.

    Raises:
        ValueError: If the distance is unknown.
    """

    traced_attributes = ("distance", "labeled")
    compares = True

    def __init__(self, distance="mse", labeled=False, weight=1.0, name=None):
        super().__init__(weight, name)
        if distance not in DISTANCES:
            raise ValueError(
                f"`distance` is one of {', '.join(DISTANCES)}; got "
                f"{distance!r}."
            )
        self.distance, self.labeled = distance, bool(labeled)

    def sums(self, context):
        """The distances, summed; see `Term.sums`."""
        apart = self._between(context.beliefs.raw, context, context.scores_u)
        total, size = rows.summed(context.loss, apart, context)
        if not self.labeled or context.labeled is None:
            return total, size
        seen = context.teachers_labeled()
        said = context.method.teacher.scores_of(context, seen)
        said = tf.stop_gradient(context.outputs(said).probabilities)
        apart = self._between(said, context, context.scores)
        loss, mask, weight = context.loss, context.mask, context.labeled.weight
        weights = rows.product(apart, mask, weight)
        total += tf.reduce_sum(apart if weights is None else apart * weights)
        if loss.reduction == "sum":  # Nothing divides, of either batch.
            return total, size
        return total, size + rows.divisor(loss, apart, mask, weight)

    def _between(self, said, context, scores):
        outputs = context.outputs(scores)
        if self.distance == "mse":
            return tf.reduce_mean(tf.square(outputs.probabilities - said), -1)
        known = tf.math.log(tf.maximum(said, 1e-12))
        return tf.reduce_sum(said * (known - outputs.logarithms), axis=-1)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            "distance": self.distance,
            "labeled": self.labeled,
            **super().get_config(),
        }
