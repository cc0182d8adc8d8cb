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
            clock=_clock(recipe, split),
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
    phases = list(_phases(recipe, split))
    updates = sum(arm.steps(phase) * phase.epochs for phase in phases)
    with strategy.scope():
        classifier = build_classifier(recipe, data)
        model = arm.wrap(classifier, recipe)
        model.compile(
            optimizer=_optimizer(recipe, updates),
            loss=LOSSES[recipe.output](from_logits=True),
            metrics=["accuracy"],
        )
    validation = _batches(split.validation, recipe.unlabeled_batch)
    started = time.monotonic()
    for phase in phases:
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


DECAYS = {
    "constant": lambda rate, updates: rate,
    "cosine": keras.optimizers.schedules.CosineDecay,
}


_OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
}


def _optimizer(recipe, updates):
    rate = DECAYS[recipe.decay](recipe.learning_rate, updates)
    config = {"learning_rate": rate}
    if recipe.optimizer == "sgd":
        config["momentum"] = recipe.momentum
    return _OPTIMIZERS[recipe.optimizer](**config)


def _phases(recipe, split):
    """Yields the phases of training, in order."""
    labeled = _batches(split.labeled, recipe.labeled_batch, recipe.seed)
    unlabeled = _batches(split.unlabeled, recipe.unlabeled_batch, recipe.seed)
    first = recipe.labeled_epochs
    if first:
        merged = streams.merge_streams(labeled, unlabeled, epoch="labeled")
        steps = len(merged)
        yield Phase(_endless(merged), steps, steps, 0, first)
    if recipe.epochs > first:
        merged, labeled_steps = _STREAMS[recipe.stream](
            recipe, split, labeled, unlabeled
        )
        yield Phase(
            _endless(merged),
            len(merged),
            labeled_steps,
            first,
            recipe.epochs - first,
        )


def _merged(recipe, split, labeled, unlabeled):
    # Repeated before it is batched: every labeled batch is full.
    labeled = _batches(
        split.labeled, recipe.labeled_batch, recipe.seed, repeat=True
    )
    return streams.merge_streams(labeled, unlabeled), len(unlabeled)


def _alternating(recipe, split, labeled, unlabeled):
    merged = streams.alternate_streams(
        labeled, unlabeled, recipe.unlabeled_batches
    )
    return merged, len(merged) - len(unlabeled)


_STREAMS = {"merged": _merged, "alternating": _alternating}


def _endless(merged):
    """One iterator for all epochs, so that the order is a matter of the seed.

    Reshuffling draws a new seed whenever a pass begins. Nothing but the end of
    the pipeline may therefore read ahead, or passes would begin early or not,
    as the threads happen to run.
    """
    options = tf.data.Options()
    options.experimental_optimization.map_parallelization = False
    return merged.repeat().with_options(options).prefetch(tf.data.AUTOTUNE)


def _clock(recipe, split):
    """The t of alpha(t): the epoch or, alternating, passes over the labels."""
    if recipe.stream == "merged":
        return None
    labeled = -(-len(split.labeled) // recipe.labeled_batch)
    unlabeled = -(-len(split.unlabeled) // recipe.unlabeled_batch)
    passes = -(-unlabeled // recipe.unlabeled_batches)
    first = recipe.labeled_epochs

    def clock(epoch, batch):
        if epoch < first:
            return epoch
        past = batch // (labeled + recipe.unlabeled_batches)
        return first + (epoch - first) * passes + past

    return clock


def _batches(examples, batch_size, shuffle_seed=None, repeat=False):
    """Batches of (image, label); of images alone where labels are unknown.

    Only row numbers are shuffled; images are gathered batch by batch.
    """
    arrays = tuple(map(tf.constant, (examples.images, examples.labels)))
    if (examples.labels < 0).any():
        arrays = arrays[:1]
    rows = tf.data.Dataset.range(len(examples))
    if shuffle_seed is not None:
        rows = rows.shuffle(len(examples), seed=shuffle_seed)
    if repeat:
        rows = rows.repeat()
    return rows.batch(batch_size).map(
        lambda batch: tuple(tf.gather(array, batch) for array in arrays)
    )
