"""Lee's equation 15: labeled loss + alpha · sum of terms."""

import typing

import tensorflow as tf

from tf_pseudolabel.distribution import replicas
from tf_pseudolabel.losses import rows


class Objective(typing.NamedTuple):
    """What an update minimizes, on one replica.

    All but the first are for the logs, of the global batch: every replica logs
    the same losses, weighed by the same rows.

    Attributes:
        loss: What is differentiated; over replicas, its sum is the loss.
        whole: The loss.
        labeled: The labeled loss among it.
        terms: The means of the terms, neither weighed nor times alpha.
        rows: Labeled rows of all replicas.
        rows_u: Unlabeled rows of all replicas.
    """

    loss: tf.Tensor
    whole: tf.Tensor
    labeled: tf.Tensor
    terms: list
    rows: tf.Tensor
    rows_u: tf.Tensor


def objective(context, labeled_loss):
    """Puts the loss of an update together.

    Args:
        context: The `Context`, after both passes.
        labeled_loss: Float scalar: Keras' loss of the labeled rows, scaled as
            the compiled `loss_weights` say.

    Returns:
        An `Objective`.
    """
    method, count = context.method, context.replicas
    terms, penalties, scale = method.terms, method.penalties, method.scale
    every = [*terms, *penalties] if context.unlabeled is not None else []
    sums = [term.sums(context) for term in every]
    own = (
        _rows_of(context.labeled),
        _rows_of(context.unlabeled),
        _labeled_size(context) if count > 1 else tf.zeros([]),
        sums,
    )
    whole, labeled = own, labeled_loss
    if count > 1:
        whole = replicas.sum_over_replicas(
            tf.nest.map_structure(tf.stop_gradient, own)
        )
        share = replicas.share(own[2], whole[2])
        labeled = labeled_loss * tf.cast(share, labeled_loss.dtype)
    means = [
        scale * _mean(term, part, whole, count)
        for term, part, whole in zip(every, sums, whole[3], strict=True)
    ]
    loss = labeled
    for number, (term, mean) in enumerate(zip(every, means, strict=True)):
        weight = term.weight * (context.alpha if number < len(terms) else 1.0)
        loss += tf.cast(weight * mean, loss.dtype)
    absent = [tf.zeros([])] * (len(terms) + len(penalties) - len(means))
    losses = [loss, labeled, means + absent]
    if count > 1:
        losses = tf.nest.map_structure(lambda part: part * count, losses)
    return Objective(loss, *losses, *whole[:2])


def _mean(term, own, whole, count):
    """A term, as the part of it that is this replica's."""
    of_mean = term.of_mean or (lambda mean: mean)
    if count == 1:
        return of_mean(tf.math.divide_no_nan(*own))
    return of_mean(replicas.mean_over_replicas(own[0], *whole)) / count


def _rows_of(batch):
    """Rows of a batch, as a float."""
    return tf.cast(0 if batch is None else batch.count, tf.float32)


def _labeled_size(context):
    """What the mean of the labeled loss on this replica divides by."""
    if context.labeled is None:
        return tf.zeros([])
    positions, weight = context.scores[..., 0], context.labeled.weight
    return rows.divisor(context.loss, positions, context.mask, weight)
