"""Classes shall be believed as often as they occur among labels."""

import numpy as np
import tensorflow as tf

from tf_pseudolabel.labels import running
from tf_pseudolabel.labels.alignments.alignment import Alignment
from tf_pseudolabel.labels.alignments.uniform import normalized
from tf_pseudolabel.registry import Flag, register

_TINY = 1e-6


@register(
    "alignment",
    "distribution",
    help="towards the classes of the labels",
    flags=[Flag("average_decay", argument="decay")],
    says="aligned to the classes of the labels",
    order=2,
)
class DistributionAlignment(Alignment):
    """Distribution alignment: the classes of the labels, in proportion.

    `p · (1e-6 + labels) / (1e-6 + beliefs)`, normalized again: `labels` is the
    exponential average of the labeled batches' classes, uniform at first, or
    known; `beliefs` the mean of the last 128 batches' mean probabilities, not
    aligned, all uniform at first. Both move *after* the update (Berthelot et
    al., "ReMixMatch", ICLR 2020, section 3.1, and google-research/remixmatch,
    `remixmatch_no_cta.py`, `libml/layers.py`).

    Args:
        prior: Sequence of C floats that sum to 1: how often the classes occur.
            Defaults to None: the average over the labels.
        decay: Float in [0, 1): of that average. May be changed while it trains.
            Defaults to 0.999.
        length: Int: batches that are remembered. Defaults to 128.
        name: Name of the layer.

    Raises:
        ValueError: If the prior does not sum to 1, or a number is out of its
            range.
    """

    decay = running.decay_number()
    traced_attributes = ("prior", "length")

    def __init__(self, prior=None, decay=0.999, length=128, name=None):
        super().__init__(name=name)
        if prior is not None:
            prior = [float(share) for share in prior]
            if min(prior) < 0 or not np.isclose(sum(prior), 1.0):
                raise ValueError(
                    "`prior` has a share for every class, which sum to 1; got "
                    f"{prior}."
                )
        if not length >= 1:
            raise ValueError(
                f"`length` counts batches, at least 1; got {length}."
            )
        self.prior, self.length = prior, int(length)
        self.decay = decay

    def build(self, spec):
        """Makes both averages; see `Part.build`."""
        classes = spec.classes
        if self.prior is not None and len(self.prior) != classes:
            raise ValueError(
                f"`prior` has a share for every class; got {len(self.prior)} "
                f"for {classes} classes."
            )
        shares = self.state("labels", (classes,), 1.0 / classes)
        if self.prior is not None:
            shares.assign(self.prior)
        self.labels = shares
        shape = (self.length, classes)
        self._batches = self.state("batches", shape, 1.0 / classes)
        self._next = self.state("next")

    def align(self, probabilities):
        """Aligns by the averages as they are; see `Alignment.align`."""
        beliefs = tf.reduce_mean(self._batches.value, axis=0)
        ratio = (_TINY + self.labels.value) / (_TINY + beliefs)
        return normalized(probabilities * ratio)

    def after_update(self, context):
        """Moves both averages; see `Part.after_update`."""
        if context.labeled is not None and self.prior is None:
            classes = self.labels.shape[0]
            ids = context.ids_of(context.given.y, context.scores)
            shares = tf.one_hot(ids, classes)
            sums = context.sum_of_labeled(shares)
            running.move(self.labels, self.decay, *sums)
        if context.beliefs is not None:
            self.remember(*context.sum_of_unlabeled(context.beliefs.raw))

    def remember(self, total, count):
        """Puts a batch in the place of the oldest one that is remembered.

        Args:
            total: Float tensor `(classes,)`: sums over its rows.
            count: Float scalar: how many these are; of none nothing changes.
        """
        there = tf.cast(count > 0, tf.float32)
        mean = tf.math.divide_no_nan(total, count)
        place = tf.one_hot(tf.cast(self._next.value, tf.int32), self.length)
        place *= there
        kept = self._batches.value * (1.0 - place)[:, tf.newaxis]
        self._batches.assign(kept + place[:, tf.newaxis] * mean)
        self._next.assign((self._next.value + there) % self.length)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            "prior": self.prior,
            "decay": self.decay,
            "length": self.length,
        }
