"""The choices of a model: found by name, checked one by one and together."""

import math
import warnings

import keras
import numpy as np
import tensorflow as tf

from tf_pseudolabel import compat, registry
from tf_pseudolabel.labels import (
    alignments,
    forms,
    selections,
    targets,
    teachers,
)
from tf_pseudolabel.losses import rows
from tf_pseudolabel.losses.term import Term
from tf_pseudolabel.part import check
from tf_pseudolabel.update.mixup import Mixup
from tf_pseudolabel.update.outputs import is_per_class
from tf_pseudolabel.views import Views

BATCH_NORM = ("auto", "separate", "labeled", "joint")
# By argument: the class that an object must be of, and how one is made.
_KINDS = {
    "teacher": (teachers.Teacher, "Lagged(5)"),
    "selection": (selections.Selection, "Threshold(0.95)"),
    "target": (targets.Target, "Sharpened(0.5)"),
}
_OPTIONAL = {
    "alignment": (alignments.Alignment, "one of tpl.alignments"),
    "average": (teachers.Averaged, "Averaged(0.999)"),
    "views": (Views, "Views(weak=..., strong=...)"),
}


def part(kind, choice):
    """Returns a choice as a part.

    Args:
        kind: The argument of the model.
        choice: A name, or an object.

    Returns:
        A `Part`.

    Raises:
        ValueError: If the name is unknown, or it is another kind of object.
    """
    if isinstance(choice, str):
        return registry.part(kind, choice)
    check(kind, choice, *_KINDS[kind])
    return choice


def terms(kind, found):
    """Returns terms as a list.

    Args:
        kind: The argument of the model.
        found: A `Term`, or a sequence of such.

    Returns:
        A list of `Term`s with different names.

    Raises:
        ValueError: If one is no term, or two have one name.
    """
    found = list(found) if isinstance(found, (list, tuple)) else [found]
    for term in found:
        check(kind, term, Term, "ClassPrior(0.8)")
    names = [term.name for term in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"Terms are logged by their names; got two {name!r}. Give one "
                f"another name: {type(found[names.index(name)]).__name__}"
                "(..., name=...)."
            )
    return found


def mixup(found, selection):
    """Returns what mixes rows, or None.

    Args:
        found: A `Mixup`; or a float: its strength, 0 for none.
        selection: A `Selection`.

    Returns:
        `Mixup`, or None.

    Raises:
        ValueError: If the strength is no such number, or pseudo-labels are
            made for some of the rows.
    """
    if not isinstance(found, Mixup):
        if not (isinstance(found, (int, float)) and 0 <= found < math.inf):
            raise ValueError(
                "`mixup` is the parameter of a beta distribution, above 0, 0 "
                f"for none, or a Mixup; got {found!r}."
            )
        found = Mixup(found) if found else None
    if found is not None and not isinstance(selection, selections.All):
        raise ValueError(
            "Mixup mixes every row with any other, so that all must count; got "
            f"{selection!r}. Use the selection 'all'."
        )
    return found


def optional(kind, found):
    """Returns what may be left out.

    Args:
        kind: The argument of the model: `"views"` or `"alignment"`.
        found: An object, or None.

    Raises:
        ValueError: If it is another kind of object.
    """
    if found is not None:
        check(kind, found, *_OPTIONAL[kind])
    return found


def average(found, teacher):
    """Returns what is evaluated in place of the network.

    Args:
        found: An `Averaged`, `"teacher"`, or None.
        teacher: The model's `Teacher`.

    Returns:
        An `Averaged`, or None.

    Raises:
        ValueError: If it is something else, or the teacher is no average.
    """
    if found == "teacher":
        check("average", teacher, teachers.Averaged, "Averaged(0.999)")
        return teacher
    return optional("average", found)


def batch_norm(name):
    """Returns the name; raises ValueError if it is unknown."""
    if name not in BATCH_NORM:
        raise ValueError(
            f"`batch_norm` is one of {', '.join(BATCH_NORM)}; got {name!r}."
        )
    return name


def check_form(model, labels, inputs, scores, loss):
    """Refuses labels, inputs and losses that the choices cannot work with.

    Args:
        model: A `PseudoLabelModel`.
        labels: Spec of the labeled stream's labels.
        inputs: Nested specs of its inputs.
        scores: Spec of the classifier's output.
        loss: The compiled `keras.losses.Loss`.

    Raises:
        ValueError: If two do not go together.
    """
    questions = forms.are_questions(scores.shape, model.target.multi_label)
    if questions:
        _check_questions(model, scores, loss)
    else:
        _check_classes(model, labels, scores, loss)
    if model.mixing is not None:
        _check_can_be_mixed(inputs)


def _check_questions(model, scores, loss):
    """Refuses what has no meaning where outputs are yes or no each."""
    outputs = scores.shape[-1]
    if not (model.target.multi_label or is_per_class(loss)):
        raise ValueError(
            "A classifier with one output is binary, and needs a loss for "
            f"sigmoids, such as BinaryCrossentropy; got {_name(loss)}. For a "
            "loss of your own say target='multi_hot'; regression has no "
            "pseudo-labels."
        )
    for part in model.parts if outputs > 1 else ():
        if not part.fits_multi_label:
            raise ValueError(
                "Rows with any number of classes have no distribution over "
                f"them; got {type(part).__name__} with target='multi_hot'. "
                "Leave it out; a part of your own that means every output by "
                "itself says fits_multi_label = True."
            )
    for side in ("up", "down"):
        found = getattr(model.selection, side, 0.0)
        if isinstance(found, tuple) and len(found) not in (1, outputs):
            raise ValueError(
                f"`{side}` is one threshold, or one for each of {outputs} "
                f"outputs; got {len(found)}."
            )


def _check_classes(model, labels, scores, loss):
    """Refuses what has no meaning where a row has one of the classes."""
    if isinstance(model.selection, selections.TwoSided):
        raise ValueError(
            "TwoSided is for outputs that are yes or no each: one sigmoid "
            f"output, or target='multi_hot'; got {scores.shape[-1]} outputs "
            "of which a row has one. Use Threshold."
        )
    if model.mixing is not None or model.target.distributions:
        forms.check_distributions(labels, scores)
    if isinstance(model.target, targets.Sharpened) and is_per_class(loss):
        raise ValueError(
            "Sharpening is for outputs that sum to 1; got "
            f"{type(loss).__name__}, which takes every class on its own. "
            "Use the target 'soft' or 'hard', or a softmax loss."
        )


def check_loss(model, labels, scores, method, weighed):
    """Refuses a loss that does not give every row its own value.

    It is tried on two rows, so that a mistake is heard of before the first
    step.

    Args:
        model: A `PseudoLabelModel`.
        labels: Spec of the labeled stream's labels.
        scores: Spec of the classifier's output.
        method: Its `Method`.
        weighed: Whether unlabeled rows have sample weights.

    Raises:
        ValueError: If the loss has no reduction, does not take such labels, or
            returns one number where rows are not to count alike.
    """
    term = method.terms[0]
    for loss in {method.loss, getattr(term, "loss", method.loss)}:
        if loss.reduction in (None, "none"):
            raise ValueError(
                f"The loss must say how rows are put together; got "
                f"{type(loss).__name__} with reduction={loss.reduction!r}. Use "
                "'sum_over_batch_size', 'mean_with_sample_weight' or 'sum'."
            )
        values = _tried(loss, labels, scores)
        if method.questions:
            _check_by_question(loss, scores)
            continue
        alike = isinstance(model.selection, selections.All) and not weighed
        if not values.shape.rank and not alike:
            raise ValueError(
                "A selection or sample weights need the loss of every row; got "
                f"a loss that returns one number: {_name(loss)}. Leave the "
                "mean over rows to Keras: return a tensor (batch,)."
            )


def _tried(loss, labels, scores):
    """The values of a loss on two rows of zeros and of equal scores."""
    shape = [2, *(1 if n is None else n for n in scores.shape[1:])]
    label_shape = [2, *(1 if n is None else n for n in labels.shape[1:])]
    dtype = tf.as_dtype(labels.dtype)
    y = tf.zeros(label_shape, tf.int32 if dtype == tf.bool else dtype)
    try:
        return rows.values(loss, y, tf.fill(shape, 1 / shape[-1]))
    except (TypeError, ValueError, tf.errors.OpError) as error:
        raise ValueError(
            f"The loss {_name(loss)} does not take {dtype.name} labels of "
            f"shape {tuple(labels.shape)} with scores of shape "
            f"{tuple(scores.shape)}. It says: {compat.told(error)}"
        ) from error


def _check_by_question(loss, scores):
    """Refuses a loss that cannot be taken apart, output by output."""
    shape = [2, *(1 if n is None else n for n in scores.shape[1:])]
    size = math.prod(shape)
    y = tf.reshape(tf.cast(tf.range(size) % 2, tf.float32), shape)
    p = tf.reshape(tf.linspace(0.2, 0.8, size), shape)
    whole, parts = rows.values(loss, y, p), rows.values_by_question(loss, y, p)
    if parts.shape != p.shape or not np.allclose(
        tf.reduce_mean(parts, axis=-1), whole, rtol=1e-3
    ):
        raise ValueError(
            "Outputs that are yes or no each need a loss that is the mean over "
            f"outputs of one per output; got {_name(loss)}. Use "
            "BinaryCrossentropy, or SummedBinaryCrossentropy for the sum."
        )


def _name(loss):
    function = getattr(loss, "function", None)
    return getattr(function, "__name__", type(loss).__name__)


def _check_can_be_mixed(inputs):
    for spec in keras.tree.flatten(inputs):
        # Pixels are uint8; wider integers are ids of something.
        if not (spec.dtype.is_floating or spec.dtype.name == "uint8"):
            raise ValueError(
                "Mixup averages inputs, which must be floats or uint8 pixels; "
                f"got {spec.dtype.name}. The average of two ids is a third "
                "one: use mixup=0."
            )


def warn_of_risks(model, has_views):
    """Warns of combinations that are known to fail.

    Args:
        model: A `PseudoLabelModel` whose classifier is built.
        has_views: Whether the student sees another view than the teacher.
    """
    moved = compat.moving_statistics(model.classifier)
    if moved and has_views and model.batch_norm == "separate":
        warnings.warn(
            "batch_norm='separate' with two views: moving statistics that mix "
            "plain and distorted rows fit neither, and training with them was "
            "seen to end at 80 % error. Use 'auto', 'joint' or 'labeled'.",
            stacklevel=4,
        )
    same = not has_views and model.mixing is None and not moved
    if (
        same
        and type(model.target) is targets.Soft
        and model.alignment is None
        and model.unlabeled_loss is None
        and (model.teacher.in_pass or not _is_random(model.classifier))
        and not isinstance(model.teacher, (teachers.Frozen, teachers.Lagged))
    ):
        warnings.warn(
            "target='soft' of the very pass that the loss sees has a gradient "
            "of 0: unlabeled rows change nothing. Use target='hard' or "
            "'sharpened', the teacher 'lagged', mixup, or two views.",
            stacklevel=4,
        )
    unmixed = not has_views and model.mixing is None
    if unmixed and _compares_one_pass(model, moved):
        warnings.warn(
            "Consistency of one and the same pass is 0: unlabeled rows change "
            "nothing. Student and teacher must differ: use views, dropout in "
            "the network, or the teacher 'averaged'.",
            stacklevel=4,
        )


def _compares_one_pass(model, moved):
    """Whether a term compares two passes that nothing tells apart."""
    teacher = model.teacher
    if not any(
        getattr(term, "compares", False)
        for term in (model.unlabeled_loss, *model.terms)
    ):
        return False
    # Batch normalization tells training mode from inference mode.
    alike = teacher.in_pass or (
        type(teacher) is teachers.Inference and not moved
    )
    return alike and not _is_random(model.classifier)


def _is_random(classifier):
    """Whether a network draws random numbers in training mode."""
    return any(
        isinstance(generator, keras.random.SeedGenerator)
        for layer in compat.layers_in(classifier)
        for generator in vars(layer).values()
    )
