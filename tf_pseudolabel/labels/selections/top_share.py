"""The surest share of every class."""

import tensorflow as tf

from tf_pseudolabel.labels.selections.selection import Selection
from tf_pseudolabel.registry import Flag, register


@register(
    "selection",
    "top_share",
    help="the surest share of every class",
    flags=[
        # ShareScheduler moves it, along t1 and t2.
        Flag(
            "top_share",
            0.2,
            "top_share: share at t1, rising to all at t2",
            least=0.01,
            most=1,
            argument="",
        ),
        Flag("t1", argument=""),
        Flag("t2", argument=""),
        Flag("mean"),
    ],
    says="the surest {top_share:.0%} of every class count, rising to all, "
    "mean over {mean} rows",
    order=2,
)
class TopShare(Selection):
    """The surest share of the rows of every class counts.

    A class whose rows are never sure gets its share all the same, where a
    fixed threshold would leave it out (Zou et al., "Unsupervised Domain
    Adaptation via Class-Balanced Self-Training", ECCV 2018; Cascante-Bonilla
    et al., "Curriculum Labeling", AAAI 2021). `ShareScheduler` measures, before
    each epoch, the confidence that a class's surest share reaches in the eyes
    of the teacher, and moves the share. Until then every row counts. Of outputs
    that are yes or no each, yes and no are the classes, and count alike by it.

    Args:
        mean: As for `Selection`. Defaults to `"accepted"`: the share is a
            matter of choice, and should not move the weight of the loss.
        name: Name of the layer.

    Raises:
        ValueError: If the mean is unknown.
    """

    def __init__(self, mean="accepted", name=None):
        super().__init__(mean, name)

    @property
    def epoch(self):
        """The epoch that the thresholds were measured for; -1 before."""
        return int(self._epoch.numpy())

    def build(self, spec):
        """Makes a confidence per class, and the epoch they are for."""
        self.thresholds = self.state("thresholds", (spec.classes,))
        # Saved, so that an epoch that goes on later is not measured twice.
        self._epoch = self.state("epoch", initial=-1)

    def assign(self, thresholds, epoch):
        """Moves the thresholds.

        Args:
            thresholds: Float array `(classes,)`: least confidence per class.
            epoch: Int: the epoch that they are for.
        """
        self.thresholds.assign(thresholds)
        self._epoch.assign(epoch)

    def measure_again(self):
        """Forgets which epoch the thresholds are for."""
        self._epoch.assign(-1)

    def row_weights(self, context, beliefs):
        """1 for the rows that count, else 0; see `Selection.row_weights`."""
        least = tf.gather(self.thresholds.value, beliefs.ids)
        return tf.cast(beliefs.confidence >= least, tf.float32)
