"""A loss row by row, and what its mean divides by."""

import keras
import tensorflow as tf

from tf_pseudolabel import compat
from tf_pseudolabel.distribution import replicas
from tf_pseudolabel.losses.summed_binary_crossentropy import (
    SummedBinaryCrossentropy,
)


class _FunctionLoss(keras.losses.Loss):
    """A loss function with Keras' reduction over rows and replicas."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, y_true, y_pred):
        return self.function(y_true, y_pred)


def as_loss(loss):
    """Returns what was compiled as a `keras.losses.Loss`.

    Args:
        loss: A loss, its name, or a function of labels and scores.
    """
    loss = keras.losses.get(loss)
    return loss if isinstance(loss, keras.losses.Loss) else _FunctionLoss(loss)


def values(loss, labels, scores):
    """The loss of every row or position, before any mean.

    Args:
        loss: A `keras.losses.Loss`.
        labels: Labels of the form that the loss takes.
        scores: Float tensor `(batch, ..., classes)`.

    Returns:
        A float tensor `(batch, ...)`; a scalar where the loss returns one
        number.
    """
    if scores.dtype != loss.dtype:
        logits = compat.logits_behind(scores)
        cast = tf.cast(scores, loss.dtype)
        scores = compat.with_known(cast, None, logits)
    return loss.call(tf.cast(labels, loss.dtype), scores)


def values_by_question(loss, labels, scores):
    """The loss of every output, before any mean.

    Args:
        loss: A `keras.losses.Loss`, the mean or the sum over outputs of a loss
            per output.
        labels: Float tensor like `scores`: 1 for yes, 0 for no.
        scores: Float tensor `(batch, ..., outputs)`.

    Returns:
        A float tensor like `scores`, whose mean over outputs is `values`.
    """
    logits = compat.logits_behind(scores)
    if logits is not None:
        logits = logits[..., tf.newaxis]
    each = compat.with_known(scores[..., tf.newaxis], None, logits)
    found = values(loss, labels[..., tf.newaxis], each)
    if isinstance(loss, SummedBinaryCrossentropy):
        found *= scores.shape[-1]
    return found


def summed(loss, values, context, batch=None):
    """Sums values of unlabeled rows, as the selection and the weights have it.

    Args:
        loss: A `keras.losses.Loss`, whose `reduction` says what divides.
        values: Float tensor `(batch, ...)`.
        context: The update's `Context`.
        batch: The `Batch` whose weights they have. Defaults to the unlabeled
            one that is trained on, of mixed weights where mixup mixes.

    Returns:
        The sum and what the mean divides by, float32 scalars.
    """
    beliefs, mask = context.beliefs, context.mask_u
    weight = (context.unlabeled if batch is None else batch).weight
    if getattr(loss, "ignore_class", None) is not None:
        # One of the classes may be ignored; Keras' loss masks it.
        mask = product(values, mask, compat.mask_of(values))
    weights = product(values, mask, beliefs.weight, weight)
    values = tf.cast(values, tf.float32)
    total = tf.reduce_sum(values if weights is None else values * weights)
    accepted = beliefs.weight if context.mean == "accepted" else None
    return total, divisor(loss, values, mask, weight, accepted)


def loss_of_pseudo_labels(loss, context):
    """Sums the losses of pseudo-labels.

    Args:
        loss: A `keras.losses.Loss`.
        context: The update's `Context`.

    Returns:
        As for `summed`.
    """
    target, scores = context.beliefs.target, context.scores_u
    if context.method.questions:
        found = values_by_question(loss, target, scores)
        if loss.reduction == "sum":  # Of rows, not of outputs.
            found /= scores.shape[-1]
        return summed(loss, found, context)
    found = values(loss, target, scores)
    if found.shape.rank:
        return summed(loss, found, context)
    # One number for all rows: fit refuses it where rows differ.
    size = count(scores[..., 0])
    return tf.cast(found, tf.float32) * size, size


def like(weight, positions):
    """Gives weights the rank of what they weigh, by axes of size 1.

    Args:
        weight: Float tensor of any rank up to that of `positions`.
        positions: Tensor `(batch, ...)`.

    Returns:
        A float32 tensor that broadcasts over `positions`, row by row.
    """
    weight = tf.cast(weight, tf.float32)
    while len(weight.shape) < len(positions.shape):
        weight = weight[..., tf.newaxis]
    return weight


def product(positions, *factors):
    """Multiplies weights and masks of rows or positions.

    Args:
        positions: Tensor `(batch, ...)` that they belong to.
        *factors: Tensors as for `like`; None stands for ones.

    Returns:
        A float32 tensor shaped like `positions`, or None if all are None.
    """
    found = [like(f, positions) for f in factors if f is not None]
    if not found:
        return None
    whole = found[0]
    for factor in found[1:]:
        whole = whole * factor
    return tf.broadcast_to(whole, tf.shape(positions))


def count(positions, weights=None):
    """The sum of weights over positions.

    Args:
        positions: Tensor `(batch, ...)`.
        weights: From `product`: None counts each as 1.

    Returns:
        A float32 scalar.
    """
    if weights is None:
        return tf.cast(tf.size(positions), tf.float32)
    return tf.reduce_sum(weights)


def divisor(loss, positions, mask=None, weight=None, accepted=None):
    """What a Keras loss's mean divides by.

    Args:
        loss: A `keras.losses.Loss`.
        positions: Tensor `(batch, ...)`, one value per row or position.
        mask: 1 for the positions that are there, else 0; None: all.
        weight: Sample weights; None: 1.
        accepted: How much each is to be counted, in [0, 1]; None: 1.

    Returns:
        A float32 scalar: the number of positions, of unmasked ones, or the sum
        of the weights, as the loss's `reduction` has it; if it is a sum, 1 over
        all replicas together.
    """
    if loss.reduction == "sum":
        return tf.constant(1.0 / replicas.count())
    weighted = loss.reduction == "mean_with_sample_weight"
    return count(
        positions,
        product(positions, mask, accepted, weight if weighted else None),
    )
