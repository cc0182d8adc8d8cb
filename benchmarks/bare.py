"""The arithmetic of an update in a `tf.function`, with no trainer around it."""

import keras
import tensorflow as tf


def make_step(
    classifier, loss, optimizer, teacher, alpha=1.0, batch_norm="joint"
):
    """Makes the update of `PseudoLabelModel`, written by hand.

    Args:
        classifier: A built `keras.Model`.
        loss: A `keras.losses.Loss` of class ids, or of what `one_hot` makes.
        optimizer: A `keras.optimizers.Optimizer`, built.
        teacher: `"inference"` or `"training"`.
        alpha: Float: the weight of the pseudo-label loss.
        batch_norm: `"joint"`, one pass of both batches, or `"separate"`, two.

    Returns:
        A function of a labeled batch `(x, y)` and an unlabeled batch `x_u`,
        which returns the loss.
    """
    alpha = tf.Variable(alpha)
    weights = classifier.trainable_weights

    @tf.function
    def step(labeled, x_u):
        x, y = labeled
        rows = tf.shape(x)[0]
        if teacher == "inference":
            believed = classifier(x_u, training=False)
        with tf.GradientTape() as tape:
            if batch_norm == "joint":
                scores = classifier(tf.concat([x, x_u], 0), training=True)
                scores, scores_u = scores[:rows], scores[rows:]
            else:
                scores = classifier(x, training=True)
                scores_u = classifier(x_u, training=True)
            if teacher == "training":
                believed = tf.stop_gradient(scores_u)
            pseudo_labels = tf.argmax(believed, axis=-1)
            value = loss(y, scores) + alpha * loss(pseudo_labels, scores_u)
        optimizer.apply_gradients(
            zip(tape.gradient(value, weights), weights, strict=True)
        )
        return value

    return step


class Looped(keras.Model):
    """The bare update in the loop of Keras' own `fit`.

    What this takes more than the bare function is Keras' part of an update.

    Args:
        step: What `make_step` returned.
    """

    def __init__(self, step):
        super().__init__()
        self.step = step

    def train_step(self, data):
        """One update."""
        return {"loss": self.step(*data)}
