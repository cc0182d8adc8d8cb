"""Keeps what is accepted from being of a few classes."""

import tensorflow as tf

from tf_pseudolabel.labels import running
from tf_pseudolabel.losses import rows
from tf_pseudolabel.losses.term import Term
from tf_pseudolabel.registry import Flag, register


@register(
    "term",
    "fairness",
    flags=[
        Flag(
            "fairness",
            0.0,
            "weight of FreeMatch's fairness, times alpha; 0: none",
            least=0,
            argument="weight",
        ),
        Flag("average_decay", argument="decay"),
    ],
    says="fairness weighed {fairness:g}",
    order=2,
)
class Fairness(Term):
    """Self-adaptive class fairness: FreeMatch's second term.

    `sum_c norm(p / h)_c · log norm(q / g)_c`: `p` and `h` are exponential
    averages of the teacher's probabilities and of its classes, 1 / C at first,
    moved *before* they are used; `q` and `g` the same means of the student's
    over the rows of this update that count; a class that is none of them has
    10^-12 for its share, and no gradient. As published, the cross-entropy is
    made *larger* (Wang et al., "FreeMatch", ICLR 2023, equation 11, and
    microsoft/Semi-supervised-learning,
    `semilearn/algorithms/freematch/freematch.py`).
    Where no row counts, it is 0.

    Args:
        weight: Float, at least 0. Defaults to 0.01, as in the paper.
        decay: Float in [0, 1): of the averages. May be changed while it trains.
            Defaults to 0.999.
        name: The name that it is logged by.
    """

    fits_multi_label = False
    decay = running.decay_number()

    def __init__(self, weight=0.01, decay=0.999, name=None):
        super().__init__(weight, name)
        self.decay = decay

    def build(self, spec):
        """Makes the averages; see `Part.build`."""
        classes = spec.classes
        self.average = self.state("average", (classes,), 1.0 / classes)
        self.shares = self.state("shares", (classes,), 1.0 / classes)

    def sums(self, context):
        """The student's probabilities and classes; see `Term.sums`."""
        beliefs = context.beliefs
        self._move(context, beliefs)
        p = context.outputs(context.scores_u).probabilities
        classes = _classes_of(p)
        present = context.present_u(beliefs.ids)
        weights = rows.product(beliefs.ids, present, beliefs.weight)
        both = tf.stack([p, classes])
        if weights is not None:
            # Rows of a weight above 0 are "accepted".
            both *= tf.cast(weights > 0, tf.float32)[..., tf.newaxis]
            count = tf.math.count_nonzero(weights, dtype=tf.float32)
        else:
            count = rows.count(beliefs.confidence)
        axes = list(range(1, len(both.shape) - 1))
        return tf.reduce_sum(both, axis=axes), count

    def of_mean(self, mean):
        """Returns the term of the means `(2, classes)`; see `Term`."""
        p, shares = tf.unstack(mean)
        believed = _normalized(self.average.value, self.shares.value)
        student = _normalized(p, tf.stop_gradient(shares))
        found = tf.reduce_sum(believed * tf.math.log(student + 1e-12))
        return tf.where(tf.reduce_sum(shares) > 0, found, 0.0)

    def _move(self, context, beliefs):
        both = [beliefs.probabilities, _classes_of(beliefs.probabilities)]
        total, count = context.sum_of_unlabeled(tf.concat(both, axis=-1))
        p, shares = tf.split(total, 2)
        running.move(self.average, self.decay, p, count)
        running.move(self.shares, self.decay, shares, count)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "decay": self.decay}


def _classes_of(probabilities):
    classes = probabilities.shape[-1]
    return tf.one_hot(tf.argmax(probabilities, axis=-1), classes)


def _normalized(values, shares):
    ratio = tf.math.divide_no_nan(values, shares)
    return tf.math.divide_no_nan(ratio, tf.reduce_sum(ratio))
