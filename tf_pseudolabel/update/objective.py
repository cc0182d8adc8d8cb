"""What a labeled and an unlabeled batch contribute to the loss."""

import functools
import typing

import keras
import tensorflow as tf

from tf_pseudolabel.distribution import replicas as distribute
from tf_pseudolabel.labels import targets
from tf_pseudolabel.labels.probabilities import probabilities
from tf_pseudolabel.streams import merging as streams
from tf_pseudolabel.update.passes import PASSES


class Batch(typing.NamedTuple):
    """A batch with labels, given or made.

    Attributes:
        x: Inputs.
        y: Labels, or pseudo-labels.
        weight: Sample weights, or None.
        accepted: 1 for the rows that count, else 0; None if all do.
    """

    x: typing.Any
    y: tf.Tensor
    weight: tf.Tensor | None
    accepted: tf.Tensor | None = None


class Terms(typing.NamedTuple):
    """What the two batches of a replica contribute to the loss.

    Attributes:
        labeled: The labeled loss.
        unlabeled: The pseudo-label loss.
        scores: The scores of the labeled rows.
        size: What the labeled mean divides by.
        size_u: What the unlabeled mean divides by.
        outputs: Where there are penalties: the number of rows, and a vector
            per penalty that is summed over the rows of both.
    """

    labeled: tf.Tensor
    unlabeled: tf.Tensor
    scores: tf.Tensor
    size: tf.Tensor
    size_u: tf.Tensor
    outputs: list


class Whole(typing.NamedTuple):
    """What is summed over the replicas.

    Attributes:
        rows: Labeled rows.
        rows_u: Unlabeled rows.
        size: What the labeled mean divides by.
        size_u: What the unlabeled mean divides by.
        outputs: As in `Terms`.
    """

    rows: tf.Tensor
    rows_u: tf.Tensor
    size: tf.Tensor
    size_u: tf.Tensor
    outputs: list


class Update(typing.NamedTuple):
    """The loss of an update on a replica, and its gradients.

    Attributes:
        gradients: A list of tensors, one per trainable weight.
        loss: What was differentiated, before it was scaled for its dtype.
        labeled_loss: Its labeled part.
        unlabeled_loss: Its unlabeled part, without alpha.
        scores: The scores of the labeled rows.
        whole: `Whole`.
    """

    gradients: list
    loss: tf.Tensor
    labeled_loss: tf.Tensor
    unlabeled_loss: tf.Tensor
    scores: tf.Tensor
    whole: Whole


def update(model, differentiated, labeled, unlabeled):
    """Composes an update from the model's choices.

    Args:
        model: The `PseudoLabelModel` under training.
        differentiated: From a function that returns `Terms`, and the numbers of
            rows, to an `Update`.
        labeled: Tuple of inputs, labels and sample weights (or None).
        unlabeled: Tuple of inputs, hidden labels (or None) and sample weights
            (or None). They are passed through the network while alpha > 0.

    Returns:
        An `Update`.
    """
    terms_of = functools.partial(_terms, model, labeled[1])
    rows = [streams.count_rows(batch[0]) for batch in (labeled, unlabeled)]
    replicas = model.distribute_strategy.num_replicas_in_sync
    one_needs_the_other = model.batch_norm == "joint" or model.mixup
    if replicas == 1 and not model.jit_compile:
        if not one_needs_the_other:
            terms_of = functools.partial(_one_by_one, terms_of)

        def update_of(*batches):
            found = differentiated(lambda: terms_of(*batches), *rows)
            # The branches of a condition must return the same types.
            dense = [tf.convert_to_tensor(value) for value in found.gradients]
            return found._replace(gradients=dense)

        # Back where it went forth: in a condition of its own, TensorFlow's
        # graph optimizer would not find what the forward pass has left (with
        # max-pooling on a CPU, a quarter of the time of a step).
        return _together(update_of, model.alpha, labeled, unlabeled)
    # Replicas cannot wait for each other inside of a condition.
    compose = _together if one_needs_the_other else _apart
    return differentiated(
        lambda: compose(terms_of, model.alpha, labeled, unlabeled), *rows
    )


def _one_by_one(terms_of, labeled, unlabeled):
    """The terms of either batch, the labeled one's first.

    Pseudo-labels are then made with the moving statistics that it has left.
    """
    return _both(terms_of(labeled, None), terms_of(None, unlabeled))


def _both(first, second):
    """The terms of a labeled and of an unlabeled batch, put together."""
    return Terms(
        first.labeled,
        second.unlabeled,
        first.scores,
        first.size,
        second.size_u,
        [a + b for a, b in zip(first.outputs, second.outputs, strict=True)],
    )


def _apart(terms_of, alpha, labeled, unlabeled):
    """The terms of either batch, in conditions of their own.

    XLA knows what holds of the rows in the outermost condition only.
    """

    def nothing():
        return terms_of(None, None)

    def unlabeled_terms():
        return keras.ops.cond(
            alpha > 0, lambda: terms_of(None, unlabeled), nothing
        )

    rows, rows_u = (
        streams.count_rows(batch[0]) for batch in (labeled, unlabeled)
    )
    first = keras.ops.cond(rows > 0, lambda: terms_of(labeled, None), nothing)
    second = keras.ops.cond(rows_u > 0, unlabeled_terms, nothing)
    return _both(first, second)


def _together(function, alpha, labeled, unlabeled):
    """A function of both batches; None for one that has no rows."""
    counts = streams.count_rows(unlabeled[0]) > 0
    if counts is not False:  # Known before there is a graph.
        counts = tf.logical_and(counts, alpha > 0)

    def with_labeled(labeled):
        return keras.ops.cond(
            counts,
            lambda: function(labeled, unlabeled),
            lambda: function(labeled, None),
        )

    return keras.ops.cond(
        streams.count_rows(labeled[0]) > 0,
        lambda: with_labeled(labeled),
        lambda: with_labeled(None),
    )


def _terms(model, like, labeled, unlabeled):
    """The terms on one replica; a batch that is None has no rows.

    `like` is the labeled stream's labels, for their form alone.
    """
    believed = None
    if labeled is not None:
        ids = targets.class_ids(labeled[1], model._scores_spec)
        model.statistics.count_labeled(ids)
        labeled = Batch(*labeled)
    if unlabeled is not None:
        believed = model.teacher.scores(model, unlabeled[0])
    if believed is not None:
        unlabeled = _pseudo_labeled(model, like, unlabeled, believed)
    if model._mixup is not None:
        labeled, unlabeled = _mixed(model._mixup, labeled, unlabeled)

    inputs = (batch and batch[0] for batch in (labeled, unlabeled))
    passes = PASSES[model.batch_norm](model, *inputs)
    scores = next(passes)
    labeled_loss, size = _loss_of_labels(model, scores, labeled)
    scores_u = next(passes)
    if unlabeled is not None and believed is None:
        unlabeled = _pseudo_labeled(model, like, unlabeled, scores_u)
    unlabeled_loss, size_u = _loss_of_pseudo_labels(model, scores_u, unlabeled)
    if scores is None:
        scores = streams.no_rows(model._scores_spec)
    outputs = _outputs_of(model, scores, scores_u)
    return Terms(labeled_loss, unlabeled_loss, scores, size, size_u, outputs)


def _pseudo_labeled(model, like, unlabeled, believed):
    """Puts pseudo-labels in the place of hidden labels."""
    x, hidden, weight = unlabeled
    believed = tf.stop_gradient(believed)
    ids = tf.argmax(believed, axis=-1)
    outputs = probabilities(believed, as_loss(model.loss))
    accepted = model.selection.accepted(ids, outputs)
    if hidden is not None:
        hidden = targets.class_ids(hidden, believed)
    model.statistics.update_state(outputs, ids, accepted, hidden)
    return Batch(x, model.target(ids, outputs, like), weight, accepted)


def _loss_of_labels(model, scores, batch):
    """The loss of the labeled rows, and what its mean divides by."""
    loss = as_loss(model.loss)
    if batch is None:
        return _nothing(loss)
    size = distribute.averaged_over(loss, scores, batch.weight)
    return model.compute_loss(batch.x, batch.y, scores, batch.weight), size


def _loss_of_pseudo_labels(model, scores, batch):
    """The loss of the pseudo-labels, and what its mean divides by."""
    loss = as_loss(model.unlabeled_loss or model.loss)
    if batch is None:
        return _nothing(loss)
    _, labels, weight, accepted = batch
    if accepted is None:
        size = distribute.averaged_over(loss, scores, weight)
        return loss(labels, scores, weight), size
    kept = accepted if weight is None else accepted * weight
    value = loss(labels, scores, kept)
    size = distribute.averaged_over(loss, scores, kept)
    counted = accepted if model.selection.mean == "accepted" else None
    whole = distribute.averaged_over(loss, scores, weight, counted)
    return value * tf.math.divide_no_nan(size, whole), whole


def _outputs_of(model, *scores):
    """The number of rows; per penalty, what its mean is the mean of, summed."""
    if not model.penalties:
        return []
    rows = [
        tf.reshape(part, [-1, part.shape[-1]])
        for part in scores
        if part is not None
    ]
    outputs = probabilities(tf.concat(rows, axis=0), as_loss(model.loss))
    of_rows = [
        tf.ones_like(outputs[:, :1]),
        *(penalty.of_rows(outputs) for penalty in model.penalties),
    ]
    return [tf.reduce_sum(values, axis=0) for values in of_rows]


def penalty(model, own, summed, rows_u):
    """The weighted penalties of an update in which pseudo-labels count.

    Args:
        model: The `PseudoLabelModel` under training.
        own: `Terms.outputs` of this replica.
        summed: Those of all replicas, added up.
        rows_u: Unlabeled rows on all replicas.

    Returns:
        Float scalar: this replica's part of the loss.
    """
    if not model.penalties:
        return 0.0
    rows = summed[0][0]
    replicas = model.distribute_strategy.num_replicas_in_sync
    whole = sum(
        term.weight
        * term.of_mean(distribute.mean_over_replicas(part, total, rows))
        for term, part, total in zip(
            model.penalties, own[1:], summed[1:], strict=True
        )
    )
    counts = tf.logical_and(model.alpha > 0, rows_u > 0)
    return tf.where(counts, whole / replicas, 0.0)


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


def _mixed(mixup, *batches):
    """Mixes batches, with sample weights of 1 where they have none."""
    complete = []
    for batch in batches:
        if batch is not None:
            weight = batch.weight
            if weight is None:
                weight = tf.ones([streams.count_rows(batch.x)])
            batch = (batch.x, batch.y, weight)
        complete.append(batch)
    return [batch and Batch(*batch) for batch in mixup.mix(*complete)]


def _nothing(loss):
    """The value of a part without rows, and how much it averages over."""
    return tf.zeros([]), tf.constant(float(loss.reduction == "sum"))
