"""A part of a user's own: what tests give to `bin/train --parts`."""

import keras
import tensorflow as tf

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
class Margin(keras.layers.Layer):
    def __init__(self, margin=0.5, mean="all", **kwargs):
        super().__init__(**{"trainable": False, **kwargs})
        self.margin, self.mean = margin, mean
        self.built = True

    def accepted(self, ids, probabilities):
        first, second = tf.unstack(tf.math.top_k(probabilities, 2)[0], axis=-1)
        return tf.cast(first - second >= self.margin, tf.float32)

    def get_config(self):
        return {"margin": self.margin, "mean": self.mean}
