"""What two streams must fulfil before, and while, they are trained on."""

import contextlib
import re

import keras
import tensorflow as tf

from tf_pseudolabel.labels import targets

REFUSED = "Batch refused:"


def check_pair(labeled, unlabeled):
    """Refuses two streams that cannot be merged, before anything is drawn.

    Args:
        labeled: What should be a batched `tf.data.Dataset` with labels.
        unlabeled: What should be a batched `tf.data.Dataset` of like inputs.

    Raises:
        ValueError: If a stream is no dataset or empty, the labeled one has no
            labels, or the inputs differ in structure, shape or dtype.
    """
    for name, stream in (("labeled", labeled), ("unlabeled", unlabeled)):
        if not isinstance(stream, tf.data.Dataset):
            raise ValueError(
                f"The {name} stream must be a batched tf.data.Dataset; got "
                f"{type(stream).__name__}."
            )
        _check_not_empty(name, stream)
    unpack = keras.utils.unpack_x_y_sample_weight
    x, y, _ = unpack(labeled.element_spec)
    if y is None:
        raise ValueError(
            "The labeled stream must yield (x, y) or (x, y, sample_weight); "
            f"got {labeled.element_spec}."
        )
    x_u, _, _ = unpack(unlabeled.element_spec)
    if any(len(spec.shape) == 0 for spec in tf.nest.flatten((x, y, x_u))):
        raise ValueError(
            "Both streams must yield batches; got a scalar for "
            f"{labeled.element_spec} or {unlabeled.element_spec}. Call "
            ".batch(...) on both."
        )
    if not alike(x, x_u):
        raise ValueError(
            "Labeled and unlabeled inputs must have the same shape and dtype; "
            f"got {_describe(x)} labeled and {_describe(x_u)} unlabeled. "
            "Resize or cast one of the streams."
        )


def _check_not_empty(name, stream):
    size = stream.cardinality()
    if size == tf.data.UNKNOWN_CARDINALITY:
        size = 1 if any(True for _ in stream.take(1)) else 0
    if size == 0:
        raise ValueError(
            f"The {name} stream must yield at least one batch; got an empty "
            "dataset. Look for a filter that removes everything, or a batch "
            "size above the number of rows with drop_remainder=True."
        )


def alike(x, x_u):
    """Whether two inputs have the same structure, dtypes and row shapes.

    Args:
        x: Nested specs, `(batch, ...)` each.
        x_u: The same of the other stream.

    Returns:
        A bool. Dimensions that are not known match any.
    """
    try:
        tf.nest.assert_same_structure(x, x_u)
    except (TypeError, ValueError):
        return False
    return all(
        a.dtype == b.dtype and a.shape[1:].is_compatible_with(b.shape[1:])
        for a, b in zip(tf.nest.flatten(x), tf.nest.flatten(x_u), strict=True)
    )


def _describe(x):
    return ", ".join(
        f"{tuple(spec.shape[1:])} {spec.dtype.name}"
        for spec in tf.nest.flatten(x)
    )


def check_values(stream, scores):
    """Refuses batches that cannot be trained on, as they are drawn.

    Args:
        stream: A dataset of pairs.
        scores: Spec of the classifier's output, `(batch, ..., classes)`.

    Returns:
        A dataset of the same pairs. Iterating over it raises
        `tf.errors.InvalidArgumentError` at a NaN or infinite input, or at a
        class id outside `[0, classes)`.
    """
    classes = scores.shape[-1]

    def check(labeled, unlabeled):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(labeled)
        x_u, _, _ = keras.utils.unpack_x_y_sample_weight(unlabeled)
        checks = [
            *_finite_checks("labeled", x),
            *_finite_checks("unlabeled", x_u),
            *_finite_checks("label", y),
        ]
        if targets.holds_class_ids(y, scores):
            checks.append(_range_check(y, classes))
        with tf.control_dependencies(checks):
            return tf.nest.map_structure(tf.identity, (labeled, unlabeled))

    return stream.map(check, num_parallel_calls=tf.data.AUTOTUNE)


def _finite_checks(name, x):
    return [
        tf.debugging.Assert(
            tf.reduce_all(tf.math.is_finite(tensor)),
            [f"{REFUSED} {name} values must be finite; got NaN or infinity."],
        )
        for tensor in tf.nest.flatten(x)
        if tensor.dtype.is_floating
    ]


def _range_check(y, classes):
    inside = (y >= 0) & (y < classes)

    def refuse():
        return tf.debugging.Assert(
            False,
            [
                f"{REFUSED} labels must lie in 0...{classes - 1}, "
                "one per output of the classifier; got",
                # Else TensorFlow would put a condition around it.
                tf.as_string(tf.boolean_mask(y, ~inside)),
            ],
        )

    # Which ones they are is looked for only where there are any.
    return tf.cond(tf.reduce_all(inside), tf.no_op, refuse)


def check_labels(labeled_spec, scores):
    """Refuses a classifier whose outputs the labels do not fit.

    Args:
        labeled_spec: Element spec of the labeled stream.
        scores: Spec of the classifier's output, `(batch, ..., classes)`.

    Raises:
        ValueError: If there are several outputs, fewer than two classes, or
            labels with another number of values per class.
    """
    if not hasattr(scores, "shape"):
        raise ValueError(
            "Pseudo-labels need a classifier with a single output; got "
            f"{type(scores).__name__} of {len(scores)}."
        )
    classes = scores.shape[-1]
    if classes is None or classes < 2:
        raise ValueError(
            "A pseudo-label is the class with the largest of at least two "
            f"scores; the classifier's output is {tuple(scores.shape)}. Give "
            "a binary classifier two outputs."
        )
    _, y, _ = keras.utils.unpack_x_y_sample_weight(labeled_spec)
    if not targets.holds_class_ids(y, scores) and y.shape[-1] != classes:
        raise ValueError(
            "One-hot labels and the classifier's output must have the same "
            f"number of classes; got labels {tuple(y.shape)} and output "
            f"{tuple(scores.shape)}."
        )


@contextlib.contextmanager
def refusals_in_one_line():
    """Turns what `check_values` raised inside the pipeline into a ValueError.

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
