"""From a classifier's scores to probabilities, as network and loss have it."""

import typing

import keras
import tensorflow as tf

from tf_pseudolabel.losses.summed_binary_crossentropy import (
    SummedBinaryCrossentropy,
)

_PER_CLASS = (
    SummedBinaryCrossentropy,
    keras.losses.BinaryCrossentropy,
    keras.losses.BinaryFocalCrossentropy,
)
# What Keras finds by their names.
_PER_CLASS_FUNCTIONS = (
    keras.losses.binary_crossentropy,
    keras.losses.binary_focal_crossentropy,
)
_TINY = 1e-12


class Outputs(typing.NamedTuple):
    """What scores mean.

    Attributes:
        probabilities: Float32 tensor `(batch, ..., classes)`; of questions
            `(batch, ..., outputs, 2)`, no and yes.
        logarithms: Their logarithms, from the logits where they are known, as
            the log of a rounded 0 would be infinite.
    """

    probabilities: tf.Tensor
    logarithms: tf.Tensor


def is_per_class(loss):
    """Whether a loss takes every class for a question of its own (sigmoid).

    Args:
        loss: A `keras.losses.Loss`, from `rows.as_loss` if it was compiled as
            a name or a function.

    Returns:
        A bool.
    """
    known = _function_of(loss) in _PER_CLASS_FUNCTIONS
    return isinstance(loss, _PER_CLASS) or known


def outputs(scores, loss, activated, questions=False):
    """Turns scores into probabilities and their logarithms.

    Where the network ends in softmax or sigmoid, scores are probabilities,
    whatever the loss says (Keras' losses correct themselves in that case).
    Elsewhere the loss's `from_logits` decides; a function of one's own does not
    say, and then scores are logits, as no activation made them.

    Args:
        scores: Float tensor `(batch, ..., classes)`.
        loss: The compiled `keras.losses.Loss`.
        activated: Whether the network ends in softmax or sigmoid.
        questions: Whether every score answers a question of its own.

    Returns:
        `Outputs`, through which gradients flow as through `scores`.
    """
    scores = tf.cast(scores, tf.float32)
    are_probabilities = not has_logits(loss, activated)
    if questions:
        no = 1 - scores if are_probabilities else -scores
        scores = tf.stack([no, scores], axis=-1)
    if are_probabilities:
        return Outputs(scores, tf.math.log(tf.maximum(scores, _TINY)))
    if questions or is_per_class(loss):
        return Outputs(tf.sigmoid(scores), tf.math.log_sigmoid(scores))
    return Outputs(tf.nn.softmax(scores), tf.nn.log_softmax(scores))


def has_logits(loss, activated):
    """Whether scores are logits.

    Args:
        loss: The compiled `keras.losses.Loss`.
        activated: As for `outputs`.

    Returns:
        A bool.
    """
    return not (activated or _takes_probabilities(loss))


def _takes_probabilities(loss):
    """Whether a loss says that it is given probabilities."""
    if hasattr(loss, "from_logits"):
        return not loss.from_logits
    # Keras' own functions do, unless they are told otherwise.
    return getattr(_function_of(loss), "__module__", "").startswith("keras.")


def _function_of(loss):
    """The function that a loss wraps: `rows.as_loss` does, and Keras."""
    return getattr(loss, "function", getattr(loss, "fn", None))
