"""From the teacher's class scores to the target that the loss compares with."""

import tensorflow as tf


def holds_class_ids(labels, scores):
    """Tells integer class ids from one value per class, by shape alone.

    The rule is the one by which Keras resolves `metrics=["accuracy"]`.

    Args:
        labels: Tensor or spec, `(batch, ...)` or `(batch, ..., 1)` for ids,
            `(batch, ..., classes)` for one value per class.
        scores: Tensor or spec, `(batch, ..., classes)`.

    Returns:
        A Python bool.
    """
    if len(labels.shape) < len(scores.shape):
        return True
    return labels.shape[-1] == 1 and scores.shape[-1] > 1


def class_ids(labels, scores):
    """Returns labels of either kind as class ids.

    Args:
        labels: Class ids or one value per class; see `holds_class_ids`.
        scores: Float tensor `(batch, ..., classes)`.

    Returns:
        An int64 tensor `(batch, ...)` in `[0, classes)`.
    """
    if not holds_class_ids(labels, scores):
        return tf.argmax(labels, axis=-1)
    if len(labels.shape) == len(scores.shape):
        labels = tf.squeeze(labels, axis=-1)
    return tf.cast(labels, tf.int64)


def hard(scores, like):
    """The class with the largest score: Lee's pseudo-label (equation 14).

    Args:
        scores: Float tensor `(batch, ..., classes)`: probabilities or logits,
            as the argmax is the same. Ties go to the lowest class.
        like: The labeled stream's labels, which decide the form: class ids or
            one-hot.

    Returns:
        A tensor with the form and the dtype of `like`, through which no
        gradient flows.
    """
    ids = tf.argmax(scores, axis=-1)
    if not holds_class_ids(like, scores):
        return tf.one_hot(ids, scores.shape[-1], dtype=like.dtype)
    if len(like.shape) == len(scores.shape):
        ids = ids[..., tf.newaxis]
    return tf.cast(ids, like.dtype)
