"""What streams may carry, brought into one form; the rest is refused.

Inputs stay as they are. Labels: booleans become integers; answers to questions,
yes or no for every output, become floats of the shape of the scores. Hidden
labels become class ids, -1 where they are unknown. Weights become float32, one
axis for each of the positions that they weigh. What no batch may hold is
refused as it is drawn, before the network sees it, in a line that names the
stream.
"""

import contextlib
import re
import typing

import numpy as np
import tensorflow as tf

from tf_pseudolabel.labels import forms
from tf_pseudolabel.update.batch import unpack
from tf_pseudolabel.views import Viewed

REFUSED = "Batch refused:"
_HIDDEN = "labels of the unlabeled stream"
# Of labels that are one value per class; a distribution sums to 1.
_TOLERANCE = 1e-2


def in_one_form(
    stream, scores, loss, class_weight=None, questions=False, remembered=None
):
    """Makes of merged streams what an update takes.

    Args:
        stream: A dataset of pairs whose specs `checks` has seen.
        scores: Spec of the classifier's output, `(batch, ..., classes)`.
        loss: The compiled `keras.losses.Loss`.
        class_weight: Float array `(classes,)` that multiplies the weights of
            labeled rows; None: 1.
        questions: Whether every output answers a question of its own.
        remembered: Int: how many unlabeled rows a part remembers; None: none
            does.

    Returns:
        A dataset of `(labeled, unlabeled)` in the form described above.
        Iterating over it raises `tf.errors.InvalidArgumentError` at what cannot
        be trained on.
    """
    ignored = getattr(loss, "ignore_class", None)
    classes = tf.TensorSpec(forms.with_classes(scores.shape, questions))

    @tf.autograph.experimental.do_not_convert
    def convert(*pair):
        labeled, unlabeled = pair[0] if len(pair) == 1 else pair
        x, y, weight = unpack(labeled)
        x_u, hidden, weight_u = unpack(unlabeled)
        if questions:
            y = tf.cast(forms.shaped_like(y, scores), tf.float32)
            if hidden is not None:
                hidden = forms.shaped_like(hidden, scores)
        elif y.dtype == tf.bool:
            y = tf.cast(y, tf.int32)
        rules = [
            *_finite("labeled", x),
            *_finite("unlabeled", x_u),
            *_finite("label", y),
            *_finite("labeled sample weight", weight),
            *_finite("unlabeled sample weight", weight_u),
            _is_answer(y) if questions else _legal(y, scores, ignored),
            *_hidden(hidden, classes, ignored),
            *_numbered(x_u, remembered),
        ]
        if weight is not None:
            weight = _at_every_position(_weights(weight, scores), y)
        if class_weight is not None:
            ids = (
                forms.answers(y[..., 0])
                if questions
                else forms.class_ids(y, scores)
            )
            weight = _weighed(ids, weight, class_weight)
        if hidden is not None:
            hidden = forms.hidden_ids(hidden, classes, ignored)
        if weight_u is not None:
            weight_u = _weights(weight_u, scores)
        pair = _element(x, y, weight), _element(x_u, hidden, weight_u)
        with tf.control_dependencies(list(map(_assert, rules))):
            return tf.nest.map_structure(tf.identity, pair)

    return stream.map(convert, num_parallel_calls=tf.data.AUTOTUNE)


def _element(x, y, weight):
    """An element that `unpack` takes apart again."""
    if weight is None:
        return (x,) if y is None else (x, y)
    if y is None:
        # Keras has no element of inputs and weights.
        rows = tf.shape(tf.nest.flatten(x)[0])[0]
        y = tf.fill([rows], tf.constant(forms.UNKNOWN, tf.int64))
    return x, y, weight


def _weights(weight, scores):
    """Weights with one axis for each axis of the positions, at most."""
    positions = len(scores.shape) - 1
    weight = tf.cast(weight, tf.float32)
    while len(weight.shape) > positions:
        weight = tf.squeeze(weight, axis=-1)
    while len(weight.shape) < positions:
        weight = weight[..., tf.newaxis]
    return weight


def _at_every_position(weight, y):
    """Weights of rows as those of their positions, which a mean divides by.

    Of weights `(batch, 1, 1)` Keras' "mean_with_sample_weight" would divide by
    a sum over rows what it sums over pixels.
    """
    positions = len(weight.shape)
    if positions == 1:
        return weight
    return tf.broadcast_to(weight, tf.shape(y)[:positions])


def _weighed(ids, weight, class_weight):
    """Sample weights, multiplied by those of the classes."""
    by_class = tf.constant(class_weight, tf.float32)
    # Ids without a class are ignored by the loss, or refused.
    inside = (ids >= 0) & (ids < len(class_weight))
    weights = tf.gather(by_class, tf.where(inside, ids, 0))
    return weights if weight is None else weights * weight


class _Rule(typing.NamedTuple):
    """What every value of a batch must fulfil.

    Attributes:
        holds: Bool tensor.
        text: The refusal, which ends with what was got.
        values: Tensor shaped like `holds`, of which the wrong ones are told;
            None where the text has said it.
    """

    holds: tf.Tensor
    text: str
    values: typing.Any = None


def _assert(rule):
    """An operation that refuses a batch which breaks a rule.

    The bare operation: `tf.debugging.Assert` would bring a condition along,
    which takes longer to trace than all the rest of the border.
    """
    data = [tf.constant(f"{REFUSED} {rule.text}")]
    if rule.values is not None:
        wrong = tf.where(tf.reshape(~rule.holds, [-1]))[:, 0]
        data.append(tf.gather(tf.reshape(rule.values, [-1]), wrong))
    return tf.raw_ops.Assert(condition=tf.reduce_all(rule.holds), data=data)


def _finite(name, x):
    return [
        _Rule(
            tf.math.is_finite(tensor),
            f"{name} values must be finite; got NaN or infinity.",
        )
        for tensor in tf.nest.flatten(x)
        if tensor is not None and tensor.dtype.is_floating
    ]


def _legal(y, scores, ignored):
    """Refuses labels that name no class, several, or a share of none."""
    if forms.holds_class_ids(y, scores):
        return _is_class_id(y, scores.shape[-1], ignored)
    return _is_distribution(y)


def _hidden(y, scores, ignored):
    """Refuses hidden labels that are none, unless they say "unknown"."""
    if y is None:
        return []
    if forms.holds_class_ids(y, scores):
        classes = scores.shape[-1]
        inside = _inside(y, classes, ignored) | (tf.cast(y, tf.int64) < 0)
        text = f"must lie in 0...{classes - 1}, or be -1 where they are unknown"
        return [_Rule(inside, f"{_HIDDEN} {text}; got", y)]
    total = tf.reduce_sum(tf.cast(y, tf.float32), axis=-1)
    unknown = tf.abs(total) <= _TOLERANCE
    text = (
        "must name one class, or be all 0 where it is unknown (two views are "
        "tpl.views.Viewed(weak, strong))"
    )
    holds = unknown | (tf.abs(total - 1) <= _TOLERANCE)
    return [_Rule(holds, f"{_HIDDEN} {text}; got rows that sum to", total)]


def _numbered(x, remembered):
    """Refuses rows that a part has no place for."""
    numbered = isinstance(x, Viewed) and not isinstance(x.index, tuple)
    if remembered is None or not numbered:
        return []
    text = (
        f"numbers of unlabeled rows must lie in 0...{remembered - 1}, as many "
        "as the selection remembers (rows=...); got"
    )
    holds = (x.index >= 0) & (x.index < remembered)
    return [_Rule(holds, text, x.index)]


def _inside(y, classes, ignored):
    """Whether class ids are among the classes, or ignored by the loss."""
    ids = tf.cast(y, tf.int64)
    inside = (ids >= 0) & (ids < classes)
    if y.dtype.is_floating:
        inside &= tf.cast(ids, y.dtype) == y
    if ignored is not None:
        inside |= ids == ignored
    return inside


def _is_class_id(y, classes, ignored):
    return _Rule(
        _inside(y, classes, ignored),
        f"labels must lie in 0...{classes - 1}, one per output of the "
        "classifier; got",
        y,
    )


def _is_answer(y):
    return _Rule(
        (y >= 0) & (y <= 1),
        "labels of outputs that are yes or no each (one sigmoid output, or "
        "tpl.MultiHot()) must be 0 or 1, or a share between; got",
        y,
    )


def _is_distribution(y):
    values = tf.cast(y, tf.float32)
    total = tf.reduce_sum(values, axis=-1)
    return _Rule(
        (tf.abs(total - 1) <= _TOLERANCE) & tf.reduce_all(values >= 0, axis=-1),
        "labels with one value per class must name one class, or be a "
        "distribution that sums to 1 (for several classes per row, or none, "
        "say tpl.MultiHot() and compile a loss per class, "
        "BinaryCrossentropy; regression has no pseudo-labels); got rows that "
        "sum to",
        total,
    )


def class_weights(class_weight, classes):
    """Returns class weights as an array.

    Args:
        class_weight: Dict from class id to weight, classes left out weigh 1; or
            a sequence of one weight per class.
        classes: Int: the number of classes.

    Returns:
        Float32 array `(classes,)`.

    Raises:
        ValueError: If a key is no class, or a weight no number of at least 0.
    """
    if hasattr(class_weight, "keys"):
        given = dict(class_weight)
    else:
        given = dict(enumerate(np.ravel(class_weight)))
        if len(given) != classes:
            raise ValueError(
                "`class_weight` is a dict from class id to weight, or one "
                f"weight for each of {classes} classes; got {len(given)}."
            )
    weights = np.ones(classes, np.float32)
    for key, weight in given.items():
        if key not in range(classes):
            raise ValueError(
                f"`class_weight` has classes 0 to {classes - 1}; got the key "
                f"{key!r}."
            )
        if not (np.isscalar(weight) and np.isfinite(weight) and weight >= 0):
            raise ValueError(
                "`class_weight` holds finite weights of at least 0; got "
                f"{weight!r} for class {key}."
            )
        weights[int(key)] = weight
    return weights


@contextlib.contextmanager
def refusals_in_one_line():
    """Turns what `in_one_form` raised inside the pipeline into a ValueError.

    Yields:
        Nothing.

    Raises:
        ValueError: With the refusal alone, without the pipeline's traceback.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        refusal = re.search(f"{REFUSED}[^\n]*", error.message)
        if refusal is None:
            raise
        text, *values = refusal[0].rstrip("]").split("] [")
        if values:
            text = f"{text} [{values[0]}]"
        raise ValueError(text) from None
