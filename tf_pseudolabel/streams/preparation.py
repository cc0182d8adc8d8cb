"""What `fit` is given: checked as a whole, and made ready to iterate over."""

import typing

import keras
import tensorflow as tf

from tf_pseudolabel import compat
from tf_pseudolabel.distribution import splitting
from tf_pseudolabel.labels import forms
from tf_pseudolabel.labels.selections import All
from tf_pseudolabel.streams import border, checks, merging
from tf_pseudolabel.streams.alternating import Alternating
from tf_pseudolabel.update import choices
from tf_pseudolabel.update.batch import first_view, unpack
from tf_pseudolabel.views import Viewed


class Prepared(typing.NamedTuple):
    """Merged streams, ready for Keras' `fit`.

    Attributes:
        dataset: A dataset, distributed where there are replicas.
        labeled_batch: `KerasTensor`s of a labeled batch.
        has_unlabeled: Whether there are unlabeled rows at all.
        is_alternating: Whether one part of each element has no rows.
        shown: Names of the statistics that are logged.
    """

    dataset: typing.Any
    labeled_batch: tuple
    has_unlabeled: bool
    is_alternating: bool
    shown: tuple


def check_call(x, steps, validation_data):
    """Refuses a call of `fit` that is no training on two streams.

    Args:
        x: What should be merged streams.
        steps: `steps_per_epoch`, or None.
        validation_data: As for `keras.Model.fit`.

    Raises:
        ValueError: If one of them is something else.
    """
    if not checks.is_pair_of_streams(x):
        raise ValueError(
            "fit() trains on a labeled and an unlabeled stream together; "
            f"got {getattr(x, 'element_spec', type(x).__name__)}. Pass "
            "tf_pseudolabel.merge_streams(labeled, unlabeled)."
        )
    if checks.is_pair_of_streams(validation_data):
        raise ValueError(
            "validation_data is a labeled dataset, as for evaluate(); got a "
            "pair of streams. Pass the labeled part alone."
        )
    if x.cardinality() == tf.data.INFINITE_CARDINALITY and steps is None:
        raise ValueError(
            "The stream that ends the epoch (by default the unlabeled one) "
            "never ends; got no steps_per_epoch. Pass fit(..., "
            "steps_per_epoch=...), or take its .repeat() away."
        )


def prepared(model, x, class_weight):
    """Checks merged streams against a model, and brings them into one form.

    Args:
        model: A compiled `PseudoLabelModel`; its classifier is built, and the
            variables of its parts are made.
        x: Merged streams.
        class_weight: As for `PseudoLabelModel.fit`.

    Returns:
        `Prepared`.

    Raises:
        ValueError: If streams, classifier, loss and choices do not go together.
    """
    labeled, unlabeled = x.element_spec
    inputs, labels, weight = unpack(labeled)
    views, hidden, weight_u = unpack(unlabeled)
    strategy = model.distribute_strategy
    x_l, *others = tf.nest.map_structure(
        lambda spec: keras.KerasTensor(spec.shape, spec.dtype.name),
        (inputs, labels) if weight is None else (inputs, labels, weight),
    )
    batch = (_with_axes_of(model.classifier, x_l), *others)
    with strategy.scope():
        scores = _scores_of(model.classifier, batch[0])
    checks.check_scores(scores)
    questions = forms.are_questions(scores.shape, model.target.multi_label)
    _check_specs(scores, labels, hidden, weight, weight_u, questions)
    _check_views(model, views)
    with strategy.scope():
        model.build_parts(scores.shape)
    method = model.settled_method()
    if questions:  # As the border makes them.
        labels = keras.KerasTensor(scores.shape, "float32")
        batch = (batch[0], labels, *batch[2:])
    choices.check_form(model, labels, inputs, scores, method.loss)
    choices.check_loss(model, labels, scores, method, weight_u is not None)
    if not model.trainable_weights:
        raise ValueError(
            "There is nothing to train: the classifier has no trainable "
            "weights. Set layer.trainable = True on some layer, and compile "
            "again."
        )
    if class_weight is not None:
        class_weight = _class_weights(class_weight, scores, questions)
    remembered = [p.rows for p in model.parts if p.remembers_rows]
    dataset = border.in_one_form(
        x,
        scores,
        method.loss,
        class_weight,
        questions,
        min(remembered, default=None),
    )
    if strategy.num_replicas_in_sync > 1:
        dataset = splitting.split_across_replicas(
            dataset, strategy, lambda shard: merging.shard_repeated(x, shard)
        )
    alternating = isinstance(x.element_spec, Alternating)
    known_empty = tf.nest.flatten(unlabeled)[0].shape[0] == 0
    selects = not isinstance(model.selection, All)
    shown = {"coverage": selects, "pseudo_label_accuracy": hidden is not None}
    return Prepared(
        dataset,
        batch,
        alternating or not known_empty,
        alternating,
        tuple(name for name, is_shown in shown.items() if is_shown),
    )


def _with_axes_of(classifier, x):
    """Gives columns of numbers the axis that a functional model gives them.

    It takes `(batch,)` for `(batch, 1)`, but says then that its output has no
    rows (Keras 3.15).
    """
    own = getattr(classifier, "inputs", None) or []
    given = keras.tree.flatten(x)
    if len(own) != len(given):
        return x
    return keras.tree.pack_sequence_as(
        x,
        [
            keras.KerasTensor((*tensor.shape, 1), tensor.dtype)
            if len(tensor.shape) == 1 and tuple(known.shape[1:]) == (1,)
            else tensor
            for tensor, known in zip(given, own, strict=True)
        ],
    )


def _scores_of(classifier, x):
    """Builds the classifier and returns the spec of its output."""
    try:
        return classifier(x)
    except Exception as error:
        shapes = keras.tree.map_structure(
            lambda spec: f"{tuple(spec.shape)} {spec.dtype}", x
        )
        raise ValueError(
            "The classifier does not take the inputs of the streams; got "
            f"{shapes}. It says: {compat.told(error)}"
        ) from error


def _class_weights(class_weight, scores, questions):
    if questions and scores.shape[-1] > 1:
        raise ValueError(
            "`class_weight` is for rows of one class; got it with "
            "target='multi_hot', of which a row has any number. Weigh rows by "
            "sample weights, or classes in a loss of your own."
        )
    classes = forms.with_classes(scores.shape, questions)[-1]
    return border.class_weights(class_weight, classes)


def _check_specs(scores, labels, hidden, weight, weight_u, questions):
    checks.check_labels("Labels", labels, scores, questions=questions)
    if hidden is not None:
        name = "Labels of the unlabeled stream"
        checks.check_labels(
            name, hidden, scores, views=True, questions=questions
        )
    for name, given in (("labeled", weight), ("unlabeled", weight_u)):
        if given is not None:
            checks.check_weight(name, given, scores)


def _check_made(views, x):
    for which in ("weak", "strong"):
        made = views.made(which, x)
        if not checks.alike(x, made):
            raise ValueError(
                f"`{which}` returns a batch like the one it is given, "
                f"{checks.describe(x)}; got {checks.describe(made)}. Have it "
                "give back that shape and dtype, or cast the streams."
            )


def _check_views(model, x):
    """Refuses views from two sides, and warns where they do harm."""
    brought = isinstance(x, Viewed) and x.strong != ()
    if model.views is not None:
        if brought:
            raise ValueError(
                "Views are made by the model or brought by the stream; got "
                f"both: views={model.views!r} and a stream of Viewed."
            )
        model.views.check(first_view(x))
        with model.distribute_strategy.scope():
            _check_made(model.views, first_view(x))
    made = model.views is not None and model.views.strong is not None
    choices.warn_of_risks(model, brought or made)
