"""A part of a user's own: what tests give to `bin/train --parts`."""

import tensorflow as tf

from tf_pseudolabel.labels.selections import Selection
from tf_pseudolabel.registry import Flag, register


@register(
    "selection",
    "margin",
    help="two classes are far apart",
    flags=[
        Flag("margin", 0.5, "margin: least distance", least=0, most=1),
        Flag("mean"),
    ],
    says="rows count whose classes are {margin:g} apart",
)
class Margin(Selection):
    def __init__(self, margin=0.5, mean="all", name=None):
        super().__init__(mean, name)
        self.margin = margin

    def row_weights(self, context, beliefs):
        both = tf.math.top_k(beliefs.probabilities, 2)[0]
        first, second = tf.unstack(both, axis=-1)
        return tf.cast(first - second >= self.margin, tf.float32)

    def get_config(self):
        return {"margin": self.margin, "mean": self.mean}
