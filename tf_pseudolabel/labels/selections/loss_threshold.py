"""Rows of a small loss, compared with that of the labels."""

import math

import tensorflow as tf

from tf_pseudolabel.labels.selections.selection import Selection
from tf_pseudolabel.part import finite
from tf_pseudolabel.registry import Flag, register


def _at_least(name, value, least):
    value = finite(name, value)
    if value < least:
        raise ValueError(f"`{name}` must be at least {least}; got {value:g}.")
    return value


@register(
    "selection",
    "loss_threshold",
    help="a loss no larger than a threshold that falls from that of the labels",
    flags=[
        Flag(
            "fall_every",
            1000,
            "loss_threshold: updates from one fall to the next",
            least=1,
            argument="every",
        ),
        Flag(
            "fall",
            1.27,
            "loss_threshold: divides the threshold each time",
            least=1,
        ),
        Flag(
            "least_loss",
            0.05,
            "loss_threshold: where it stays",
            least=0,
            argument="least",
        ),
        Flag("mean"),
    ],
    says="rows count whose loss is no larger than that of labeled rows, "
    "divided by {fall:g} every {fall_every} updates, mean over {mean} rows",
    order=8,
)
class LossThreshold(Selection):
    """Rows count whose loss is below a threshold that falls in training.

    `-log(largest probability) <= max(1.0001 · fall^-k · first, least)`, where
    `first` is the mean loss of the labeled rows when the first unlabeled row
    is trained on, an average over the updates before with alpha 0, and k grows
    by 1 every `every` updates with unlabeled rows: Dash (Xu et al., "Dash:
    Semi-Supervised Learning with Dynamic Thresholding", ICML 2021, algorithm
    1). Without updates before, the loss of the first batch is taken.

    USB's port takes `first` from the test set, and lowers the threshold every
    10 of 1024 "epochs" of 1024 updates.

    Args:
        every: Int: updates from one fall to the next. Defaults to 1000.
        fall: Float, at least 1: divides the threshold. Defaults to 1.27.
        least: Float, at least 0: where it stays. Defaults to 0.05, which is a
            confidence of 0.951.
        mean: As for `Selection`. Defaults to `"all"`.
        name: Name of the layer.

    Raises:
        ValueError: If a number is out of its range, or the mean unknown.
    """

    fits_multi_label = False
    traced_attributes = ("mean", "every", "fall", "least")
    _DECAY = 0.9

    def __init__(
        self, every=1000, fall=1.27, least=0.05, mean="all", name=None
    ):
        super().__init__(mean, name)
        self.every = int(_at_least("every", every, 1))
        self.fall = _at_least("fall", fall, 1)
        self.least = _at_least("least", least, 0)

    def build(self, spec):
        """Makes the first loss and the count; see `Part.build`."""
        self.first = self.state("first", (), -1.0)
        self.updates = self.state("updates")

    def row_weights(self, context, beliefs):
        """Selects by the threshold as it is; see `Selection.row_weights`."""
        known = self.first.value
        labeled, there = self._labeled_loss(context)
        if labeled is not None:
            self.first.assign(tf.where((known < 0) & there, labeled, known))
        loss = -tf.math.log(tf.maximum(beliefs.confidence, 1e-12))
        return tf.cast(loss <= self.threshold(), tf.float32)

    def threshold(self):
        """Returns the threshold of the loss: a float scalar."""
        falls = tf.floor(self.updates.value / self.every)
        fallen = self.first.value * tf.exp(-falls * math.log(self.fall))
        return tf.maximum(1.0001 * fallen, self.least)

    def after_update(self, context):
        """Averages labeled losses, or counts; see `Part.after_update`."""
        if context.beliefs is not None:
            self.updates.assign_add(1.0)
            return
        known = self.first.value
        labeled, there = self._labeled_loss(context)
        if labeled is None:
            return
        moved = self._DECAY * known + (1.0 - self._DECAY) * labeled
        before = there & (self.updates.value == 0)
        moved = tf.where(known < 0, labeled, moved)
        self.first.assign(tf.where(before, moved, known))

    def _labeled_loss(self, context):
        """The mean cross-entropy of the labeled rows, and if there are any."""
        scores = context.labeled_scores()
        if scores is None:
            return None, False
        logs = context.outputs(scores).logarithms
        ids = context.ids_of(context.labeled.y, scores)
        # Those that the loss ignores are none, and left out below.
        ids = tf.clip_by_value(ids, 0, logs.shape[-1] - 1)
        losses = -tf.gather(logs, ids, axis=-1, batch_dims=len(ids.shape))
        losses = tf.stop_gradient(losses)[..., tf.newaxis]
        total, count = context.sum_of_labeled(losses)
        return tf.math.divide_no_nan(total[0], count), count > 0

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            "every": self.every,
            "fall": self.fall,
            "least": self.least,
            "mean": self.mean,
        }
