"""From the classifier's scores to probabilities, as the loss has it."""

import keras
import tensorflow as tf

from tf_pseudolabel import losses

_PER_CLASS = (
    losses.SummedBinaryCrossentropy,
    keras.losses.BinaryCrossentropy,
    keras.losses.BinaryFocalCrossentropy,
)
# What Keras finds by their names.
_PER_CLASS_FUNCTIONS = (
    keras.losses.binary_crossentropy,
    keras.losses.binary_focal_crossentropy,
)


def is_per_class(loss):
    """Whether a loss takes every class for a question of its own (sigmoid).

    Args:
        loss: A `keras.losses.Loss`, from `objective.as_loss` if it was
            compiled as a name or a function.

    Returns:
        A bool.
    """
    function = getattr(loss, "function", None)
    return isinstance(loss, _PER_CLASS) or function in _PER_CLASS_FUNCTIONS


def probabilities(scores, loss):
    """Turns scores into probabilities.

    The loss's `from_logits`, as Keras' losses have it, says whether they
    already are. Those of a loss without it are taken for probabilities.

    Args:
        scores: Float tensor `(batch, ..., classes)`.
        loss: The compiled `keras.losses.Loss`.

    Returns:
        A float32 tensor like `scores`, through which no gradient flows unless
        it flows through `scores`.
    """
    scores = tf.cast(scores, tf.float32)
    if not getattr(loss, "from_logits", False):
        return scores
    return tf.sigmoid(scores) if is_per_class(loss) else tf.nn.softmax(scores)
