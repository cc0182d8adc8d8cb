"""The arithmetic of an update in a `tf.function`, with no trainer around it."""

import tensorflow as tf


def make_step(classifier, loss, optimizer, teacher, alpha=1.0):
    """Makes the update of `PseudoLabelModel`, written by hand.

    Args:
        classifier: A built `keras.Model`.
        loss: A `keras.losses.Loss` of class ids, or of what `one_hot` makes.
        optimizer: A `keras.optimizers.Optimizer`, built.
        teacher: `"inference"` or `"training"`.
        alpha: Float: the weight of the pseudo-label loss.

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
            scores = classifier(tf.concat([x, x_u], 0), training=True)
            scores, scores_u = scores[:rows], scores[rows:]
            if teacher == "training":
                believed = tf.stop_gradient(scores_u)
            pseudo_labels = tf.argmax(believed, axis=-1)
            value = loss(y, scores) + alpha * loss(pseudo_labels, scores_u)
        optimizer.apply_gradients(
            zip(tape.gradient(value, weights), weights, strict=True)
        )
        return value

    return step
