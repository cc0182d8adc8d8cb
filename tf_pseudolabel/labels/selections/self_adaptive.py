"""A threshold of each class that follows what the network believes."""

import tensorflow as tf

from tf_pseudolabel.labels import running
from tf_pseudolabel.labels.selections.selection import Selection
from tf_pseudolabel.registry import Flag, register


@register(
    "selection",
    "self_adaptive",
    help="a threshold of each class that follows its confidence",
    flags=[Flag("average_decay", argument="decay"), Flag("mean")],
    says="rows count from a confidence on that adapts itself to each class, "
    "mean over {mean} rows",
    order=4,
)
class SelfAdaptive(Selection):
    """The average confidence, times how large a class's average is.

    `threshold(c) = t · p(c) / max p`: `t` is the exponential average of the
    largest probabilities, `p` that of all of them; both begin at 1 / C and move
    with the batch *before* they are used. Low at first, they rise as the
    network learns, for a class that it knows less, less (Wang et al.,
    "FreeMatch: Self-adaptive Thresholding for Semi-supervised Learning", ICLR
    2023, equations 5 to 8, and microsoft/Semi-supervised-learning,
    `semilearn/algorithms/freematch/utils.py`). Its fairness term is `Fairness`.

    Args:
        decay: Float in [0, 1): of the averages. May be changed while it trains.
            Defaults to 0.999.
        mean: As for `Selection`. Defaults to `"all"`.
        name: Name of the layer.

    Raises:
        ValueError: If the decay is outside [0, 1) or the mean unknown.
    """

    fits_multi_label = False
    decay = running.decay_number()

    def __init__(self, decay=0.999, mean="all", name=None):
        super().__init__(mean, name)
        self.decay = decay

    def build(self, spec):
        """Makes the averages; see `Part.build`."""
        classes = spec.classes
        self.confidence = self.state("confidence", (), 1.0 / classes)
        self.average = self.state("average", (classes,), 1.0 / classes)

    def row_weights(self, context, beliefs):
        """Moves the averages, then selects; see `Selection.row_weights`."""
        p, confidence = beliefs.probabilities, beliefs.confidence
        both = tf.concat([p, confidence[..., tf.newaxis]], axis=-1)
        total, count = context.sum_of_unlabeled(both)
        running.move(self.average, self.decay, total[:-1], count)
        running.move(self.confidence, self.decay, total[-1], count)
        least = tf.gather(self.thresholds(), beliefs.ids)
        return tf.cast(confidence >= least, tf.float32)

    def thresholds(self):
        """Returns the threshold of each class: float tensor `(classes,)`."""
        average = self.average.value
        return self.confidence.value * average / tf.reduce_max(average)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"decay": self.decay, "mean": self.mean}
