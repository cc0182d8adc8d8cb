"""One arm of an experiment: streams, model, callbacks, `fit`."""

import dataclasses
import functools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tf_pseudolabel import callbacks, losses, methods, networks, optimizers
from tf_pseudolabel.data import streams
from tf_pseudolabel.data.splits import Split
from tf_pseudolabel.model import PseudoLabelModel
from tf_pseudolabel.networks import denoising

# By the network's output and the form of the labels.
LOSSES = {
    ("softmax", "class ids"): keras.losses.SparseCategoricalCrossentropy,
    ("softmax", "distributions"): keras.losses.CategoricalCrossentropy,
    ("sigmoid", "class ids"): losses.SummedBinaryCrossentropy,
    ("sigmoid", "distributions"): losses.SummedBinaryCrossentropy,
}


@dataclasses.dataclass(frozen=True)
class Phase:
    """A run of epochs on one stream.

    Attributes:
        labeled: From a number to the endless dataset of the phase's labeled
            batches, beginning with the batch of that number.
        merged: The same for its merged batches.
        labeled_steps: Labeled batches per epoch.
        steps: Merged batches per epoch.
        first_epoch: The epoch that the phase begins with, from 0.
        last_epoch: The epoch after its last one.
    """

    labeled: Callable
    merged: Callable
    labeled_steps: int
    steps: int
    first_epoch: int
    last_epoch: int


@dataclasses.dataclass(frozen=True)
class Arm:
    """What distinguishes one arm of an experiment from the other.

    Attributes:
        name: As in `metrics.json`.
        stream: `(phase, first) -> tf.data.Dataset` of pairs from batch `first`.
        steps: From a `Phase` to the arm's updates per epoch.
        alpha: `(recipe, split, first) -> list` of callbacks that move alpha in
            an epoch that begins with batch `first`.
        unlabeled: Whether unlabeled rows are trained on.
    """

    name: str
    stream: Callable
    steps: Callable
    alpha: Callable
    unlabeled: bool


# The same model, to which no unlabeled row is shown: alpha stays 0.
SUPERVISED = Arm(
    name="supervised",
    stream=lambda phase, first: streams.labeled_alone(phase.labeled(first)),
    steps=lambda phase: phase.labeled_steps,
    alpha=lambda recipe, split, first: [],
    unlabeled=False,
)
PSEUDO_LABEL = Arm(
    name="pseudo_label",
    stream=lambda phase, first: phase.merged(first),
    steps=lambda phase: phase.steps,
    alpha=lambda recipe, split, first: [
        callbacks.AlphaScheduler(
            methods.alpha(recipe),
            clock=_CLOCKS[recipe.stream](recipe, split, first),
        ),
        *_SHARES[recipe.selection](recipe, split),
    ],
    unlabeled=True,
)


def train(
    arm, recipe, data, split, strategy, extra_callbacks, epoch=0, batch=0
):
    """Trains one arm from the recipe's initial weights.

    Both arms start from the same weights and see the same labeled batches in
    the same order, because both draw them from the same seeds.

    Args:
        arm: `SUPERVISED` or `PSEUDO_LABEL`.
        recipe: A `Recipe`.
        data: The `ImageData` that the split was drawn from.
        split: A `Split`.
        strategy: A `tf.distribute.Strategy`.
        extra_callbacks: List of Keras callbacks. To begin elsewhere than at
            the start, one of them must restore the state when training begins.
        epoch: The epoch to begin with, from 0.
        batch: The batch of that epoch to begin with.

    Returns:
        The trained classifier and a dict of counts for `metrics.json`.
    """
    keras.utils.set_random_seed(recipe.seed)
    form = "class ids"
    if methods.wants_distributions(recipe):
        form = "distributions"
        split = _with_distributions(split, len(data.class_names))
    phases = phases_of(recipe, split)
    with strategy.scope():
        classifier = build_classifier(recipe, data)
        model = PseudoLabelModel(classifier, **methods.arguments(recipe))
        # What a run goes on with replaces this, unless rounds start over from
        # here.
        goes_on = (epoch or batch) and not recipe.restart_epochs
        if recipe.dae_epochs and not goes_on:
            _pretrain(classifier, recipe, split)
        model.compile(
            optimizer=optimizer_of(recipe, arm.steps(phases[-1])),
            loss=LOSSES[recipe.output, form](from_logits=True),
            metrics=["accuracy"],
        )
    validation = _in_order(split.validation, recipe.unlabeled_batch)
    for phase, begin, end, first in _fits(phases, epoch, batch):
        steps = arm.steps(phase)
        start = (begin - phase.first_epoch) * steps + first
        model.fit(
            _served(arm.stream(phase, start), recipe.data_service),
            initial_epoch=begin,
            epochs=end,
            steps_per_epoch=steps - first,
            validation_data=validation,
            callbacks=[*arm.alpha(recipe, split, first), *extra_callbacks],
            verbose=0,
        )
        if model.stop_training:
            break
    return classifier, {
        "labeled_examples": len(split.labeled),
        "unlabeled_examples": len(split.unlabeled) if arm.unlabeled else 0,
    }


def updates_of(arm, recipe, split, epochs):
    """Updates of an arm, those before training started over among them.

    The optimizer does not remember those.

    Args:
        arm: `SUPERVISED` or `PSEUDO_LABEL`.
        recipe: A `Recipe`.
        split: A `Split`.
        epochs: Int: epochs that were trained.

    Returns:
        Int.
    """
    return sum(
        arm.steps(phase) * (min(epochs, phase.last_epoch) - phase.first_epoch)
        for phase in phases_of(recipe, split)
        if phase.first_epoch < epochs
    )


def _with_distributions(split, classes):
    """A split whose labels are one float per class; unknown ones stay."""

    def one_hot(examples):
        if (examples.labels < 0).any():
            return examples
        labels = np.eye(classes, dtype=np.float32)[examples.labels]
        return dataclasses.replace(examples, labels=labels)

    return Split(
        **{
            field.name: one_hot(getattr(split, field.name))
            for field in dataclasses.fields(split)
        }
    )


def _fits(phases, epoch, batch):
    """What remains to be fitted from a batch of an epoch on.

    Args:
        phases: List of `Phase`.
        epoch: The epoch to begin with.
        batch: The batch of it to begin with.

    Yields:
        Tuples of a `Phase`, the first epoch, the epoch after the last one, and
        the batch that the first epoch begins with.
    """
    for phase in phases:
        begin = max(epoch, phase.first_epoch)
        if batch and begin < phase.last_epoch:
            # The rest of an epoch has fewer steps than those after it.
            yield phase, begin, begin + 1, batch
            begin, batch = begin + 1, 0
        # Nothing may be left: callbacks restore the end all the same.
        if begin < phase.last_epoch or phase is phases[-1]:
            yield phase, begin, phase.last_epoch, 0


def build_classifier(recipe, data):
    """Builds the recipe's network for the images at hand.

    Args:
        recipe: A `Recipe`.
        data: An `ImageData`.

    Returns:
        A `keras.Model` from images to logits.

    Raises:
        InputError: If the network cannot take images of that size.
    """
    return networks.build(
        recipe.network,
        data.train.images.shape[1:],
        len(data.class_names),
        hidden_units=recipe.hidden_units,
        dropout=recipe.dropout,
        max_value=data.max_value,
        dtype=data.train.images.dtype.name,
        input_scale=recipe.input_scale,
        input_dropout=recipe.input_dropout,
        initial_std=recipe.initial_std,
    )


def _pretrain(classifier, recipe, split):
    """Trains the first layer on all training images, whatever their labels."""
    images = np.concatenate([split.labeled.images, split.unlabeled.images])
    denoising.pretrain(
        classifier,
        images,
        epochs=recipe.dae_epochs,
        batch_size=recipe.unlabeled_batch,
        learning_rate=recipe.dae_learning_rate,
        white=recipe.input_scale,
    )


_OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
}


def optimizer_of(recipe, steps_per_epoch):
    """Makes the recipe's optimizer.

    Args:
        recipe: A `Recipe`.
        steps_per_epoch: Int: updates in an epoch, for what follows a schedule.

    Returns:
        A `keras.optimizers.Optimizer`.
    """
    if recipe.optimizer == "lee2013":
        return optimizers.lee2013(
            steps_per_epoch,
            recipe.learning_rate,
            recipe.learning_rate_decay,
            recipe.momentum,
            recipe.final_momentum,
            recipe.momentum_epochs,
        )
    config = {"learning_rate": recipe.learning_rate}
    if recipe.learning_rate_decay < 1:
        config["learning_rate"] = optimizers.decaying(
            recipe.learning_rate, recipe.learning_rate_decay, steps_per_epoch
        )
    if recipe.optimizer == "sgd":
        config["momentum"] = recipe.momentum
    return _OPTIMIZERS[recipe.optimizer](**config)


def phases_of(recipe, split):
    """The phases of training, in order.

    Args:
        recipe: A `Recipe`.
        split: A `Split`.

    Returns:
        A list of `Phase`, none of them without epochs.
    """
    phases = [
        _labels_alone(recipe, split),
        _STREAMS[recipe.stream](recipe, split),
    ]
    return [p for p in phases if p.first_epoch < p.last_epoch]


def _labels_alone(recipe, split):
    steps = _steps(split.labeled, recipe.labeled_batch)
    labeled = functools.partial(
        _passes, split.labeled, recipe.labeled_batch, recipe.seed
    )
    unlabeled = functools.partial(
        _passes, split.unlabeled, recipe.unlabeled_batch, recipe.seed
    )

    def merged(first):
        # Alpha is 0: what were drawn would be thrown away.
        return streams.labeled_alone(labeled(first), unlabeled(0))

    return Phase(labeled, merged, steps, steps, 0, recipe.labeled_epochs)


def _merged(recipe, split):
    steps = recipe.steps_per_epoch or _steps(
        split.unlabeled, recipe.unlabeled_batch
    )
    labeled = functools.partial(
        _passes,
        split.labeled,
        recipe.labeled_batch,
        recipe.seed,
        first_pass=recipe.labeled_epochs,
        across=True,
    )
    unlabeled = functools.partial(
        _passes, split.unlabeled, recipe.unlabeled_batch, recipe.seed
    )

    def merged(first):
        return streams.merge_streams(labeled(first), unlabeled(first))

    first_epoch = recipe.labeled_epochs
    return Phase(labeled, merged, steps, steps, first_epoch, recipe.epochs)


def _alternating(recipe, split):
    unlabeled_steps = _steps(split.unlabeled, recipe.unlabeled_batch)
    choice = streams.alternation(
        _steps(split.labeled, recipe.labeled_batch),
        unlabeled_steps,
        recipe.unlabeled_batches,
    )
    lanes = np.fromiter(choice.as_numpy_iterator(), np.int64)
    steps = len(lanes)
    labeled = functools.partial(
        _passes,
        split.labeled,
        recipe.labeled_batch,
        recipe.seed,
        first_pass=recipe.labeled_epochs,
    )
    unlabeled = functools.partial(
        _passes, split.unlabeled, recipe.unlabeled_batch, recipe.seed
    )

    def merged(first):
        epochs, step = divmod(first, steps)
        past = epochs * unlabeled_steps + int(lanes[:step].sum())
        return streams.interleave(
            labeled(first - past), unlabeled(past), choice.repeat().skip(first)
        )

    return Phase(
        labeled,
        merged,
        steps - unlabeled_steps,
        steps,
        recipe.labeled_epochs,
        recipe.epochs,
    )


_STREAMS = {"merged": _merged, "alternating": _alternating}


def _clock_of_passes(recipe, split, first):
    """After the labeled epochs, t counts passes over the labels."""
    labeled_steps = _steps(split.labeled, recipe.labeled_batch)
    unlabeled_steps = _steps(split.unlabeled, recipe.unlabeled_batch)
    passes = -(-unlabeled_steps // recipe.unlabeled_batches)
    start = recipe.labeled_epochs

    def clock(epoch, batch):
        if epoch < start:
            return epoch
        past = (first + batch) // (labeled_steps + recipe.unlabeled_batches)
        return start + (epoch - start) * passes + past

    return clock


_CLOCKS = {
    "merged": lambda recipe, split, first: None,  # t is the epoch.
    "alternating": _clock_of_passes,
}


def _shares_of_classes(recipe, split):
    return [
        callbacks.ShareScheduler(methods.share(recipe), split.unlabeled.images)
    ]


_SHARES = {
    "all": lambda recipe, split: [],
    "threshold": lambda recipe, split: [],
    "top_share": _shares_of_classes,
}


def _passes(examples, batch_size, seed, first, first_pass=0, across=False):
    """Endless batches: shuffled pass after shuffled pass.

    Which rows a batch holds is a function of the seed and its number, so that
    training can go on from any batch. `Dataset.shuffle` would draw the order
    from a counter that every iterator moves, however far it reads ahead.

    Args:
        examples: `Examples`.
        batch_size: Rows per batch, at most as many as there are examples.
        seed: Int.
        first: Number of the first batch.
        first_pass: Number of the pass that batch 0 begins.
        across: Whether a batch may span two passes. Otherwise the last batch
            of a pass is smaller.

    Returns:
        A `tf.data.Dataset` of (image, label), or of images without labels.
    """
    size = len(examples)
    steps = _steps(examples, batch_size)

    def position(number):
        if across:
            row = number * batch_size
            return first_pass + row // size, row % size
        return first_pass + number // steps, number % steps * batch_size

    def order(number):
        return tf.random.experimental.stateless_shuffle(
            tf.range(size), seed=[tf.constant(seed, tf.int64), number]
        )

    def order_from(number):
        if across:
            return tf.concat([order(number), order(number + 1)], axis=0)
        return order(number)

    def rows_of(state, number):
        """Draws the order once per pass, and remembers it."""
        known, rows = state
        current, start = position(number)
        rows = tf.cond(
            tf.equal(current, known), lambda: rows, lambda: order_from(current)
        )
        batch = rows[start : start + batch_size]
        if across or size % batch_size == 0:
            batch = tf.ensure_shape(batch, [batch_size])
        return (current, rows), batch

    nothing_yet = (
        tf.constant(-1, tf.int64),
        tf.zeros([2 * size if across else size], tf.int32),
    )
    # Repeated only in name: what is known to be endless needs no looking out
    # for its end, which replicas would have to agree on.
    numbers = tf.data.Dataset.range(first, tf.int64.max).repeat()
    return _gathered(examples, numbers.scan(nothing_yet, rows_of))


def _in_order(examples, batch_size):
    """All examples once, in their own order."""
    options = tf.data.Options()
    # TensorFlow would look for files first, and say that there are none.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    rows = tf.data.Dataset.range(len(examples)).batch(batch_size)
    return _gathered(examples, rows).with_options(options)


def _gathered(examples, batches_of_rows):
    """Batches of (image, label); of images alone where labels are unknown."""
    arrays = tuple(map(tf.constant, (examples.images, examples.labels)))
    if (examples.labels < 0).any():
        arrays = arrays[:1]
    return batches_of_rows.map(
        lambda rows: tuple(tf.gather(array, rows) for array in arrays),
        num_parallel_calls=tf.data.AUTOTUNE,
    ).prefetch(tf.data.AUTOTUNE)


def _served(stream, address):
    """The stream, made by the workers of a tf.data service if there is one.

    Each batch is made once, by whichever worker is free: they come in another
    order than without the service.
    """
    if address is None:
        return stream
    return stream.apply(
        tf.data.experimental.service.distribute(
            tf.data.experimental.service.ShardingPolicy.DYNAMIC, address
        )
    )


def _steps(examples, batch_size):
    """Batches in a pass, the last one perhaps smaller."""
    return -(-len(examples) // batch_size)
