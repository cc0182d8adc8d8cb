"""One arm of an experiment: streams, model, callbacks, `fit`."""

import dataclasses
import typing
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tf_pseudolabel import callbacks, losses, optimizers
from tf_pseudolabel.lab import networks
from tf_pseudolabel.lab.analysis import embedding
from tf_pseudolabel.lab.data import batches
from tf_pseudolabel.lab.data.splits import Split
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.networks import backbones, denoising
from tf_pseudolabel.lab.recipes.effects import network_options
from tf_pseudolabel.lab.runs import methods
from tf_pseudolabel.lab.runs.phases import clock_of, phases_of
from tf_pseudolabel.lab.runs.results import load_classifier
from tf_pseudolabel.labels.teachers import Frozen
from tf_pseudolabel.model import PseudoLabelModel
from tf_pseudolabel.streams import merging

# Rows that the columns of others are drawn from.
_SAMPLE = 10_000
# By the network's output and the form of the labels.
LOSSES = {
    ("softmax", "class ids"): keras.losses.SparseCategoricalCrossentropy,
    ("softmax", "distributions"): keras.losses.CategoricalCrossentropy,
    ("sigmoid", "class ids"): losses.SummedBinaryCrossentropy,
    ("sigmoid", "distributions"): losses.SummedBinaryCrossentropy,
}


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
    stream=lambda phase, first: merging.labeled_alone(phase.labeled(first)),
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
            clock=clock_of(recipe, split, first),
        ),
        *_shares_of_classes(recipe, split),
    ],
    unlabeled=True,
)


class After(typing.NamedTuple):
    """What a round of self-training has from the round before.

    Attributes:
        teacher: Path of the `.keras` file that labels the rows; None: there
            was no round before.
        keeps_weights: Whether the network begins with the teacher's weights.
        epochs: Int: epochs that were trained before, whose batches are not
            taken again.
    """

    teacher: typing.Any = None
    keeps_weights: bool = False
    epochs: int = 0


def train(
    arm,
    recipe,
    task,
    strategy,
    extra_callbacks,
    epoch=0,
    batch=0,
    after=None,
):
    """Trains one arm from the recipe's initial weights.

    Both arms start from the same weights and see the same labeled batches in
    the same order, because both draw them from the same seeds.

    Args:
        arm: `SUPERVISED` or `PSEUDO_LABEL`.
        recipe: A `Recipe`.
        task: A `Task`.
        strategy: A `tf.distribute.Strategy`.
        extra_callbacks: List of Keras callbacks. To begin elsewhere than at
            the start, one of them must restore the state when training begins.
        epoch: The epoch to begin with, from 0.
        batch: The batch of that epoch to begin with.
        after: `After`, of a round of self-training. Defaults to None.

    Returns:
        The trained classifier and a dict of counts for `metrics.json`.
    """
    keras.utils.set_random_seed(recipe.seed)
    form, split = "class ids", task.split
    if methods.wants_distributions(recipe):
        form = "distributions"
        split = _with_distributions(split, task.classes)
    phases = phases_of(recipe, split)
    after = after or After()
    with strategy.scope():
        classifier = build_classifier(recipe, task)
        method = methods.arguments(recipe, _known(recipe, task))
        if after.teacher is not None:
            method["teacher"] = _teacher(after, classifier)
        model = PseudoLabelModel(classifier, **method)
        # What a run goes on with replaces this, unless rounds start over from
        # here.
        goes_on = (epoch or batch) and not recipe.restart_epochs
        if recipe.dae_epochs and not goes_on:
            _pretrain(classifier, recipe, split)
        model.compile(
            optimizer=optimizer_of(recipe, arm.steps(phases[-1]), classifier),
            loss=LOSSES[recipe.output, form](from_logits=True),
            metrics=["accuracy"],
        )
    validation = batches.in_order(split.validation, recipe.unlabeled_batch)
    for phase, begin, end, first in _fits(phases, epoch, batch):
        steps = arm.steps(phase)
        start = (after.epochs + begin - phase.first_epoch) * steps + first
        model.fit(
            _served(arm.stream(phase, start), recipe.data_service),
            initial_epoch=begin,
            epochs=end,
            steps_per_epoch=steps - first,
            validation_data=validation,
            class_weight=_class_weight(recipe, task.split.labeled.labels),
            callbacks=[
                *arm.alpha(recipe, split, first),
                *_first_learning_rate(recipe),
                *extra_callbacks,
            ],
            verbose=0,
        )
        if model.stop_training:
            break
    if model.averaged is not None:
        model.averaged.assign_to(classifier)
    return classifier, {
        "labeled_examples": len(split.labeled),
        "unlabeled_examples": len(split.unlabeled) if arm.unlabeled else 0,
    }


def _known(recipe, task):
    """What parts are told of the data, by their kind."""
    known = {"selection": {"rows": len(task.split.unlabeled)}}
    if recipe.views == "table":
        known["views"] = {
            "rows": _sample(task.split, recipe.seed),
            "groups": task.encoding.groups,
        }
    return known


def _sample(split, seed):
    """Some training rows, as a network takes them."""
    parts = split.labeled, split.unlabeled
    count = sum(map(len, parts))
    rows = embedding.sample_rows(count, min(count, _SAMPLE), seed)
    first = len(split.labeled)
    chosen = parts[0].take(rows[rows < first])
    others = parts[1].take(rows[rows >= first] - first)
    return np.concatenate([part.read() for part in (chosen, others) if part])


def _teacher(after, classifier):
    """The network of the round before; its student may begin where it is."""
    teacher = load_classifier(after.teacher)
    if after.keeps_weights:
        shapes = [[w.shape for w in c.weights] for c in (teacher, classifier)]
        if shapes[0] != shapes[1]:
            raise InputError(
                "--start_from=teacher is for students whose network is the "
                "teacher's; got another one. Give --start_from=scratch."
            )
        classifier.set_weights(teacher.get_weights())
    return Frozen(teacher)


def largest_alpha(recipe, split):
    """The alpha that a run rises to, if nothing ends it early.

    Args:
        recipe: A `Recipe`.
        split: A `Split`.

    Returns:
        Float: alpha at the last batch, since ramps do not fall, as the model
        holds it.
    """
    last = phases_of(recipe, split)[-1]
    t = epoch = last.last_epoch - 1
    clock = clock_of(recipe, split, 0)
    if clock is not None:
        t = clock(epoch, last.steps - 1)
    return float(np.float32(methods.alpha(recipe)(t)))


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


def _class_weight(recipe, labels):
    """From class id to the weight of its rows, whose mean is 1."""
    if recipe.class_weight is None:
        return None
    classes, counts = np.unique(labels, return_counts=True)
    weights = len(labels) / (len(classes) * counts)
    return dict(zip(classes.tolist(), weights.tolist(), strict=True))


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


def build_classifier(recipe, task):
    """Builds the recipe's network for the rows at hand.

    Args:
        recipe: A `Recipe`.
        task: A `Task`.

    Returns:
        A `keras.Model` from encoded rows to logits.

    Raises:
        InputError: If the network does not fit the rows, its weights or the
            optimizer.
    """
    classifier = networks.build(
        task.network or recipe.network,
        task.encoding.spec,
        task.classes,
        weights=recipe.weights,
        freeze=recipe.freeze,
        **network_options(recipe),
        **task.encoding.options,
    )
    if recipe.backbone_learning_rate is not None:
        backbones.backbone_of(classifier)  # Is there one?
    return classifier


def _pretrain(classifier, recipe, split):
    """Trains the first layer on all training images, whatever their labels."""
    images = [part.read() for part in (split.labeled, split.unlabeled)]
    denoising.pretrain(
        classifier,
        np.concatenate(images),
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


def optimizer_of(recipe, steps_per_epoch, classifier):
    """Makes the recipe's optimizer.

    Args:
        recipe: A `Recipe`.
        steps_per_epoch: Int: updates in an epoch, for what follows a schedule.
        classifier: The `keras.Model` that is trained.

    Returns:
        A `keras.optimizers.Optimizer`.
    """
    optimizer = _optimizer(recipe, steps_per_epoch)
    if recipe.backbone_learning_rate is None:
        return optimizer
    backbone = backbones.backbone_of(classifier).trainable_variables
    slow = {id(weight) for weight in backbone}
    share = recipe.backbone_learning_rate / recipe.learning_rate
    return optimizers.scaled(
        optimizer,
        [
            share if id(weight) in slow else 1.0
            for weight in classifier.trainable_variables
        ],
    )


def _optimizer(recipe, steps_per_epoch):
    """The optimizer for weights that all learn at one rate."""
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
    if recipe.learning_rate_schedule == "cosine":
        # Of a round: the optimizer starts over, too.
        epochs = recipe.restart_epochs or recipe.epochs
        config["learning_rate"] = keras.optimizers.schedules.CosineDecay(
            recipe.learning_rate, epochs * steps_per_epoch
        )
    if recipe.optimizer == "sgd":
        config["momentum"] = recipe.momentum
    return _OPTIMIZERS[recipe.optimizer](**config)


def _shares_of_classes(recipe, split):
    if recipe.selection != "top_share":
        return []
    return [
        callbacks.ShareScheduler(
            methods.share(recipe), batches.inputs_alone(split.unlabeled, 256)
        )
    ]


def _first_learning_rate(recipe):
    """What moves the learning rate when alpha begins to rise."""
    if recipe.first_learning_rate is None:
        return []
    rates = recipe.first_learning_rate, recipe.learning_rate
    return [
        keras.callbacks.LearningRateScheduler(
            lambda epoch, rate: rates[epoch >= recipe.t1]
        )
    ]


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
