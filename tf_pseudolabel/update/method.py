"""The choices that an update is made of, put together."""

import dataclasses
import typing

import keras

from tf_pseudolabel import compat, part
from tf_pseudolabel.losses.pseudo_label import PseudoLabelLoss
from tf_pseudolabel.losses.rows import as_loss
from tf_pseudolabel.losses.term import Term


@dataclasses.dataclass(frozen=True)
class Method:
    """What `Context` and `objective` go by.

    Attributes:
        teacher: A `Teacher`.
        alignment: An `Alignment`, or None.
        selection: A `Selection`.
        target: A `Target`.
        views: `Views`, or None.
        mixup: `Mixup`, or None.
        joint: Whether both batches pass the network together.
        normalizes: Whether the network has batch normalization, so that what
            passes together matters.
        unmoved: Variables that the student's unlabeled pass must not move.
        loss: The compiled `keras.losses.Loss`.
        scale: The compiled `loss_weights`: of everything that is minimized.
        terms: List of `Term`s that alpha multiplies, the pseudo-label loss (or
            what stands in its place) first.
        penalties: List of `Term`s that alpha does not multiply.
        questions: Whether every output answers a question of its own, yes or
            no, so that probabilities have an axis of two more than scores.
        hooked: List of the `Part`s with an `after_update` of their own.
        activated: Whether the network is known to end in softmax or sigmoid;
            updates that are traced see that themselves.
        compares: Whether a term compares student and teacher.
        borrows: Whether a replica without rows shows the network a borrowed
            one. Not to synchronized batch normalization, which counts rows over
            all replicas, and can do with none.
    """

    teacher: typing.Any
    alignment: typing.Any
    selection: typing.Any
    target: typing.Any
    views: typing.Any
    mixup: typing.Any
    joint: bool
    normalizes: bool
    unmoved: list
    loss: keras.losses.Loss
    scale: float
    terms: list
    penalties: list
    questions: bool
    hooked: list
    activated: bool
    compares: bool
    borrows: bool


def method_of(model, loss, scale):
    """Puts the choices of a model together.

    Args:
        model: A `PseudoLabelModel` whose classifier is built.
        loss: The compiled loss.
        scale: Float: its weight.

    Returns:
        A `Method`.
    """
    loss = as_loss(loss)
    moved = compat.moving_statistics(model.classifier)
    by_name = model.batch_norm
    terms = [_first_term(model.unlabeled_loss, loss), *model.terms]
    return Method(
        model.teacher,
        model.alignment,
        model.selection,
        model.target,
        model.views,
        model.mixing,
        # One pass where it matters; without moving statistics two are the same
        # mathematics, and draw the dropout masks that they always drew.
        joint=by_name == "joint" or (by_name == "auto" and bool(moved)),
        normalizes=bool(moved),
        unmoved=moved if by_name == "labeled" else [],
        loss=loss,
        scale=scale,
        terms=terms,
        penalties=model.penalties,
        questions=model.asks_questions,
        hooked=[p for p in model.parts if part.overrides(p, "after_update")],
        activated=model.run_eagerly and _ends_activated(model.classifier),
        compares=any(term.compares for term in terms),
        borrows=not compat.synchronizes(model.classifier),
    )


def _ends_activated(classifier):
    """Whether it ends in softmax or sigmoid, if it knows its inputs."""
    inputs = compat.inputs_of(classifier)
    return inputs is not None and compat.end_of(classifier, inputs)[1]


def _first_term(unlabeled_loss, loss):
    """What is minimized on unlabeled rows: by default the compiled loss."""
    if isinstance(unlabeled_loss, Term):
        return unlabeled_loss
    return PseudoLabelLoss(
        loss if unlabeled_loss is None else as_loss(unlabeled_loss)
    )
