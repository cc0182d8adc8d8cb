"""The recipe mnist_conv in bare `tf.function`s, a process of its own.

What `fit` takes more than this is the trainer's. `recipe.py` starts it; its
argument is the directory with recipe and images.
"""

import os
import sys

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import by_hand
import keras
import tensorflow as tf

from tf_pseudolabel.lab import networks


class Network:
    """The network and its updates."""

    def __init__(self, recipe):
        keras.utils.set_random_seed(recipe.seed)
        self.network = networks.build(
            "conv",
            tf.TensorSpec((28, 28, 1), tf.uint8),
            10,
            hidden_units=recipe.hidden_units,
            dropout=recipe.dropout,
        )
        self.loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.optimizer = keras.optimizers.SGD(recipe.learning_rate)
        self.optimizer.build(self.network.trainable_weights)

    @tf.function(reduce_retracing=True)
    def on_labels(self, x, labels):
        """An update on rows with labels."""
        self._update(x, labels, 1.0)

    @tf.function(reduce_retracing=True)
    def _on_own_labels(self, x_u, alpha):
        labels = tf.argmax(self.network(x_u, training=False), axis=-1)
        self._update(x_u, labels, alpha)

    def on_own_labels(self, x_u, alpha):
        """An update on rows that the network itself labels."""
        # A number of Python's would be a constant of a graph of its own.
        self._on_own_labels(x_u, tf.constant(alpha, tf.float32))

    def _update(self, x, labels, weight):
        weights = self.network.trainable_weights
        with tf.GradientTape() as tape:
            value = weight * self.loss(labels, self.network(x, training=True))
        self.optimizer.apply_gradients(
            zip(tape.gradient(value, weights), weights, strict=True)
        )

    @tf.function(reduce_retracing=True)
    def _correct(self, x, y):
        classes = tf.argmax(self.network(x, training=False), axis=-1)
        return tf.math.count_nonzero(classes == y)

    def accuracy(self, x, y):
        """The share of rows that are classified as labeled."""
        correct = sum(
            int(self._correct(x[row : row + 256], y[row : row + 256]))
            for row in range(0, len(y), 256)
        )
        return correct / len(y)


def main(directory):
    """Trains on the images as they are."""
    by_hand.report(Network, *by_hand.read(directory))


if __name__ == "__main__":
    main(*sys.argv[1:])
