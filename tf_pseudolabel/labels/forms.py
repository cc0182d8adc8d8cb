"""The forms that labels come in, told apart in one place.

Class ids `(batch, ...)` or `(batch, ..., 1)`, or one value per class `(batch,
..., classes)`. Whoever needs ids asks `class_ids`; whoever makes labels asks
`encoded` for the form of those that were given.

Or answers to questions, yes or no, one per output: of a binary classifier's
single output, and of a multi-label classifier's `C`. A question is a position
with two classes, 0 for no and 1 for yes: its labels, of the shape of the
scores, are class ids of probabilities `(batch, ..., C, 2)`.
"""

import tensorflow as tf

UNKNOWN = -1


def are_questions(shape, multi_label):
    """Whether every output answers a question of its own, yes or no.

    A single output can mean nothing else. Several are classes, of which a row
    has one, unless the target says otherwise.

    Args:
        shape: Shape of the classifier's output, `(batch, ..., outputs)`.
        multi_label: Whether the target says that a row has a label per output.

    Returns:
        A bool.
    """
    return shape[-1] == 1 or multi_label


def with_classes(shape, questions):
    """The shape of probabilities.

    Args:
        shape: Shape of the classifier's output, `(batch, ..., outputs)`.
        questions: Whether the outputs answer questions.

    Returns:
        A tuple: `shape`, or `(*shape, 2)`: no and yes.
    """
    return (*shape, 2) if questions else tuple(shape)


def shaped_like(labels, scores):
    """Gives labels of questions the shape of scores.

    Args:
        labels: Tensor like `scores`, or without its last axis of size 1.
        scores: Tensor or spec, `(batch, ..., outputs)`.

    Returns:
        A tensor `(batch, ..., outputs)`.
    """
    if len(labels.shape) < len(scores.shape):
        labels = labels[..., tf.newaxis]
    return labels


def answers(labels):
    """Returns labels of questions as class ids.

    Args:
        labels: Tensor of values in [0, 1].

    Returns:
        An int64 tensor like it: 1 where yes is likelier than no, else 0.
    """
    return tf.cast(labels > 0.5, tf.int64)


def holds_class_ids(labels, scores):
    """Tells integer class ids from one value per class, by shape alone.

    The rule is the one by which Keras resolves `metrics=["accuracy"]`.

    Args:
        labels: Tensor or spec, `(batch, ...)` or `(batch, ..., 1)` for ids,
            `(batch, ..., classes)` for one value per class.
        scores: Tensor or spec, `(batch, ..., classes)`.

    Returns:
        A Python bool.
    """
    if len(labels.shape) < len(scores.shape):
        return True
    return labels.shape[-1] == 1 and scores.shape[-1] > 1


def class_ids(labels, scores):
    """Returns labels of either form as class ids.

    Args:
        labels: Class ids or one value per class; see `holds_class_ids`.
        scores: Float tensor or spec `(batch, ..., classes)`.

    Returns:
        An int64 tensor `(batch, ...)`: in `[0, classes)` where the labels are;
        -1 for a row of zeros, which names no class.
    """
    if not holds_class_ids(labels, scores):
        named = tf.reduce_any(tf.cast(labels, tf.bool), axis=-1)
        return tf.where(named, tf.argmax(labels, axis=-1), UNKNOWN)
    if len(labels.shape) == len(scores.shape):
        labels = tf.squeeze(labels, axis=-1)
    return tf.cast(labels, tf.int64)


def distributions(labels, probabilities, questions):
    """Returns labels of any form as one value per class.

    Args:
        labels: Class ids, one value per class or, of questions, in [0, 1].
        probabilities: Float tensor or spec `(batch, ..., classes)`; of
            questions with an axis of two more than the labels.
        questions: Whether every output is yes or no.

    Returns:
        A float32 tensor like `probabilities`.
    """
    if questions:
        yes = tf.cast(labels, tf.float32)
        return tf.stack([1 - yes, yes], axis=-1)
    if holds_class_ids(labels, probabilities):
        ids = class_ids(labels, probabilities)
        return tf.one_hot(ids, probabilities.shape[-1])
    return tf.cast(labels, tf.float32)


def hidden_ids(labels, scores, ignore_class=None):
    """Class ids of the unlabeled stream's labels, -1 where unknown.

    Args:
        labels: As for `class_ids`.
        scores: As for `class_ids`.
        ignore_class: Int: the id that says "none", or None.

    Returns:
        An int64 tensor `(batch, ...)` in `[-1, classes)`.
    """
    ids = class_ids(labels, scores)
    known = (ids >= 0) & (ids < scores.shape[-1])
    if ignore_class is not None:
        known &= ids != ignore_class
    return tf.where(known, ids, UNKNOWN)


def encoded(ids, like, scores):
    """Gives class ids the form of labels that were given.

    Args:
        ids: Int64 tensor `(batch, ...)`.
        like: Tensor or spec of the labeled stream's labels.
        scores: Tensor or spec `(batch, ..., classes)`.

    Returns:
        A tensor with the form and the dtype of `like`.
    """
    if not holds_class_ids(like, scores):
        return tf.one_hot(ids, scores.shape[-1], dtype=like.dtype)
    if len(like.shape) == len(scores.shape):
        ids = ids[..., tf.newaxis]
    return tf.cast(ids, like.dtype)


def distributed(probabilities, like):
    """Gives probabilities the form of labels that were given.

    Args:
        probabilities: Float tensor `(batch, ..., classes)`.
        like: Tensor or spec of the labeled stream's labels: one value per
            class, or answers to questions, of which each gets its yes.

    Returns:
        A tensor with the form and the dtype of `like`.
    """
    if holds_class_ids(like, probabilities):
        probabilities = probabilities[..., 1]
    return tf.cast(probabilities, like.dtype)


def check_distributions(labels, scores):
    """Refuses labels that cannot hold a distribution over the classes.

    Args:
        labels: Tensor or spec of the labeled stream's labels.
        scores: Tensor or spec, `(batch, ..., classes)`.

    Raises:
        ValueError: If the labels are class ids or integers.
    """
    dtype = tf.as_dtype(labels.dtype)
    if holds_class_ids(labels, scores) or not dtype.is_floating:
        raise ValueError(
            "Soft pseudo-labels and mixup need labels that are one float per "
            f"class; got {dtype.name} labels of shape {tuple(labels.shape)}. "
            "Map the labeled stream with tf.one_hot(label, classes), and "
            "compile a loss for such labels: CategoricalCrossentropy."
        )
