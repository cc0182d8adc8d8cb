"""One arm of an experiment: streams, model, callbacks, `fit`."""

import dataclasses
import time
from collections.abc import Callable

import keras
import tensorflow as tf

from tf_pseudolabel import callbacks, distribute, losses, networks, schedules
from tf_pseudolabel.data import streams
from tf_pseudolabel.model import PseudoLabelModel

LOSSES = {
    "softmax": keras.losses.SparseCategoricalCrossentropy,
    "sigmoid": losses.SummedBinaryCrossentropy,
}


@dataclasses.dataclass(frozen=True)
class Arm:
    """What distinguishes one arm of an experiment from the other.

    Attributes:
        name: As in `metrics.json`.
        wrap: `(classifier, recipe) -> keras.Model` to be fitted.
        stream: From merged batches to what that model is fitted on.
        steps: From a `Phase` to the arm's updates per epoch.
        alpha: `(recipe, split) -> list` of callbacks that move alpha.
        unlabeled: Whether unlabeled rows are trained on.
    """

    name: str
    wrap: Callable
    stream: Callable
    steps: Callable
    alpha: Callable
    unlabeled: bool


SUPERVISED = Arm(
    name="supervised",
    wrap=lambda classifier, recipe: classifier,
    stream=streams.labeled_only,
    steps=lambda phase: phase.labeled_steps,
    alpha=lambda recipe, split: [],
    unlabeled=False,
)
PSEUDO_LABEL = Arm(
    name="pseudo_label",
    wrap=lambda classifier, recipe: PseudoLabelModel(
        classifier, teacher=recipe.teacher
    ),
    stream=lambda merged: merged,
    steps=lambda phase: phase.steps,
    alpha=lambda recipe, split: [
        callbacks.AlphaScheduler(
            schedules.LinearRamp(recipe.t1, recipe.t2, recipe.alpha_f),
            clock=_CLOCKS[recipe.stream](recipe, split),
        )
    ],
    unlabeled=True,
)


@dataclasses.dataclass(frozen=True)
class Phase:
    """A run of epochs on one stream.

    Attributes:
        stream: Endless dataset of merged batches.
        steps: Merged batches per epoch.
        labeled_steps: Those of them that hold labeled rows.
        first_epoch: The epoch that the phase begins with, from 0.
        epochs: How many epochs the phase has.
    """

    stream: tf.data.Dataset
    steps: int
    labeled_steps: int
    first_epoch: int
    epochs: int


def train(arm, recipe, data, split, strategy, extra_callbacks):
    """Trains one arm from the recipe's initial weights.

    Both arms start from the same weights and see the same labeled batches in
    the same order, because both draw them from the same seeds.

    Args:
        arm: `SUPERVISED` or `PSEUDO_LABEL`.
        recipe: A `Recipe`.
        data: The `ImageData` that the split was drawn from.
        split: A `Split`.
        strategy: A `tf.distribute.Strategy`.
        extra_callbacks: List of Keras callbacks.

    Returns:
        The trained classifier and a dict of counts and seconds for
        `metrics.json`.
    """
    keras.utils.set_random_seed(recipe.seed)
    with strategy.scope():
        classifier = build_classifier(recipe, data)
        model = arm.wrap(classifier, recipe)
        model.compile(
            optimizer=_optimizer(recipe),
            loss=LOSSES[recipe.output](from_logits=True),
            metrics=["accuracy"],
        )
    validation = _gathered(
        split.validation,
        tf.data.Dataset.range(len(split.validation)).batch(
            recipe.unlabeled_batch
        ),
    )
    started = time.monotonic()
    for phase in _phases(recipe, split):
        stream = arm.stream(phase.stream)
        if not arm.unlabeled and strategy.num_replicas_in_sync > 1:
            stream = distribute.split_across_replicas(stream, strategy)
        model.fit(
            stream,
            initial_epoch=phase.first_epoch,
            epochs=phase.first_epoch + phase.epochs,
            steps_per_epoch=arm.steps(phase),
            validation_data=validation,
            callbacks=[*arm.alpha(recipe, split), *extra_callbacks],
            shuffle=False,
            verbose=0,
        )
    return classifier, {
        "labeled_examples": len(split.labeled),
        "unlabeled_examples": len(split.unlabeled) if arm.unlabeled else 0,
        "epochs": recipe.epochs,
        "updates": int(model.optimizer.iterations.numpy()),
        "train_seconds": round(time.monotonic() - started, 2),
    }


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
    )


_OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
}


def _optimizer(recipe):
    config = {"learning_rate": recipe.learning_rate}
    if recipe.optimizer == "sgd":
        config["momentum"] = recipe.momentum
    return _OPTIMIZERS[recipe.optimizer](**config)


def _phases(recipe, split):
    """Yields the phases of training, in order."""
    if recipe.labeled_epochs:
        yield _labels_alone(recipe, split)
    if recipe.epochs > recipe.labeled_epochs:
        yield _STREAMS[recipe.stream](recipe, split)


def _labels_alone(recipe, split):
    steps = _steps(split.labeled, recipe.labeled_batch)
    labeled = _passes(split.labeled, recipe.labeled_batch, recipe.seed)
    unlabeled = _passes(split.unlabeled, recipe.unlabeled_batch, recipe.seed)
    merged = streams.merge_streams(labeled, unlabeled, epoch="labeled")
    return Phase(merged, steps, steps, 0, recipe.labeled_epochs)


def _merged(recipe, split):
    steps = _steps(split.unlabeled, recipe.unlabeled_batch)
    labeled = _passes(
        split.labeled,
        recipe.labeled_batch,
        recipe.seed,
        first_pass=recipe.labeled_epochs,
        across=True,
    )
    unlabeled = _passes(split.unlabeled, recipe.unlabeled_batch, recipe.seed)
    merged = streams.merge_streams(labeled, unlabeled)
    first = recipe.labeled_epochs
    return Phase(merged, steps, steps, first, recipe.epochs - first)


def _alternating(recipe, split):
    labeled_steps = _steps(split.labeled, recipe.labeled_batch)
    unlabeled_steps = _steps(split.unlabeled, recipe.unlabeled_batch)
    first = recipe.labeled_epochs
    choice = streams.alternation(
        labeled_steps, unlabeled_steps, recipe.unlabeled_batches
    )
    stream = streams.interleave(
        _passes(split.labeled, recipe.labeled_batch, recipe.seed, first),
        _passes(split.unlabeled, recipe.unlabeled_batch, recipe.seed),
        choice.repeat(),
    )
    steps = len(choice)
    return Phase(
        stream, steps, steps - unlabeled_steps, first, recipe.epochs - first
    )


_STREAMS = {"merged": _merged, "alternating": _alternating}


def _clock_of_passes(recipe, split):
    """After the labeled epochs, t counts passes over the labels."""
    labeled_steps = _steps(split.labeled, recipe.labeled_batch)
    unlabeled_steps = _steps(split.unlabeled, recipe.unlabeled_batch)
    passes = -(-unlabeled_steps // recipe.unlabeled_batches)
    first = recipe.labeled_epochs

    def clock(epoch, batch):
        if epoch < first:
            return epoch
        past = batch // (labeled_steps + recipe.unlabeled_batches)
        return first + (epoch - first) * passes + past

    return clock


_CLOCKS = {
    "merged": lambda recipe, split: None,  # t is the epoch.
    "alternating": _clock_of_passes,
}


def _passes(examples, batch_size, seed, first_pass=0, across=False):
    """Endless batches: shuffled pass after shuffled pass.

    The order of a pass is a function of the seed and the number of the pass.
    `Dataset.shuffle` would draw it from a counter that every iterator moves,
    however far it reads ahead.

    Args:
        examples: `Examples`.
        batch_size: Rows per batch.
        seed: Int.
        first_pass: Number of the first pass.
        across: Whether a batch may span two passes. Otherwise the last batch
            of a pass is smaller.
    """

    def order(number):
        rows = tf.random.experimental.stateless_shuffle(
            tf.range(len(examples)), seed=[tf.constant(seed, tf.int64), number]
        )
        rows = tf.data.Dataset.from_tensor_slices(rows)
        return rows if across else rows.batch(batch_size)

    rows = tf.data.Dataset.counter(first_pass).flat_map(order)
    return _gathered(examples, rows.batch(batch_size) if across else rows)


def _gathered(examples, batches_of_rows):
    """Batches of (image, label); of images alone where labels are unknown."""
    arrays = tuple(map(tf.constant, (examples.images, examples.labels)))
    if (examples.labels < 0).any():
        arrays = arrays[:1]
    return batches_of_rows.map(
        lambda rows: tuple(tf.gather(array, rows) for array in arrays),
        num_parallel_calls=tf.data.AUTOTUNE,
    ).prefetch(tf.data.AUTOTUNE)


def _steps(examples, batch_size):
    """Batches in a pass, the last one perhaps smaller."""
    return -(-len(examples) // batch_size)
