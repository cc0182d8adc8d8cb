"""What two streams must fulfil before they are trained on."""

import tensorflow as tf

from tf_pseudolabel.labels import forms
from tf_pseudolabel.update.batch import first_view, unpack
from tf_pseudolabel.views import Viewed


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
        _check_batched(name, stream.element_spec)
        if stream.cardinality() == 0:
            raise ValueError(
                f"The {name} stream must yield at least one batch; got an "
                "empty dataset. Look for a filter that removes everything, or "
                "a batch size above the number of rows with "
                "drop_remainder=True."
            )
    x, y, _ = unpack(labeled.element_spec)
    if y is None:
        raise ValueError(
            "The labeled stream must yield (x, y) or (x, y, sample_weight); "
            f"got {labeled.element_spec}."
        )
    x_u, y_u, _ = unpack(unlabeled.element_spec)
    if not alike(x, first_view(x_u)):
        raise ValueError(
            "Labeled and unlabeled inputs must have the same structure, shape "
            f"and dtype; got {describe(x)} labeled and {describe(x_u)} "
            f"unlabeled. {_remedy(x, x_u, y_u)}"
        )
    _check_views(x_u)


def _check_batched(name, spec):
    for part in tf.nest.flatten(unpack(spec)):
        if part is None:
            continue
        if part.shape.rank is None:
            raise ValueError(
                f"The {name} stream must say how many axes its batches have; "
                f"got {part}. Name the shape, as tf.numpy_function forgets it: "
                ".map(lambda x, y: (tf.ensure_shape(x, [None, ...]), ...))."
            )
        if part.shape.rank == 0:
            raise ValueError(
                f"The {name} stream must yield batches; got a scalar for "
                f"{part}. Call .batch(...) on it."
            )


def check_rows(stream, inputs):
    """Refuses rows to label that a classifier cannot take.

    Args:
        stream: A `tf.data.Dataset`.
        inputs: Nested inputs of the classifier; None: it does not know them.

    Raises:
        ValueError: If they come one by one, or have other shapes or kinds.
    """
    if is_pair_of_streams(stream):
        raise ValueError(
            "Rows to label are those of one stream; got merged streams. Give "
            "one of those that were merged."
        )
    _check_batched("given", stream.element_spec)
    if inputs is None:
        return
    x = first_view(unpack(stream.element_spec)[0])
    wanted = tf.nest.map_structure(
        lambda part: tf.TensorSpec(part.shape, part.dtype), inputs
    )
    try:
        tf.nest.assert_same_structure(wanted, x)
    except (TypeError, ValueError):
        return  # Keras knows inputs by their names, too, and says what lacks.
    pairs = zip(tf.nest.flatten(wanted), tf.nest.flatten(x), strict=True)
    if not all(_takes(*pair) for pair in pairs):
        raise ValueError(
            "Rows to label must come in batches, each of them as the "
            f"classifier takes it, {describe(wanted)}; got {describe(x)}. Call "
            ".batch(...) on a dataset of single rows."
        )


def _takes(wanted, given):
    """Whether Keras takes it, with other numbers and an axis of 1."""
    if (wanted.dtype == tf.string) != (given.dtype == tf.string):
        return False
    shape, other = wanted.shape[1:], given.shape[1:]
    if other.rank == shape.rank - 1 and shape[-1] == 1:
        shape = shape[:-1]
    elif other.rank == shape.rank + 1 and other[-1] == 1:
        other = other[:-1]
    return shape.is_compatible_with(other)


def check_dense(name, spec):
    """Refuses a stream of sparse or ragged tensors where none can be meant.

    Args:
        name: What the stream is called.
        spec: Its `element_spec`.

    Raises:
        ValueError: If it has such tensors.
    """
    for part in tf.nest.flatten(unpack(spec)):
        if not isinstance(part, (tf.TensorSpec, type(None))):
            raise ValueError(
                f"{name} must yield dense tensors; got {part}. Map it with "
                "tf.sparse.to_dense, or with to_tensor() of ragged tensors."
            )


def _remedy(x, x_u, y_u):
    """What may have been meant by inputs that differ."""
    if y_u is not None and alike(x, (x_u, y_u)):
        return (
            "An element (a, b) is read as (x, y); two inputs of a network are "
            "((a, b),)."
        )
    return "Resize, cast or rename the inputs of one of the streams."


def _check_views(x):
    if not isinstance(x, Viewed):
        return
    if x.strong != () and not alike(x.weak, x.strong):
        raise ValueError(
            "Both views of an unlabeled row must have the same structure, "
            f"shape and dtype; got {describe(x.weak)} and "
            f"{describe(x.strong)}."
        )
    index = x.index
    if index != () and not (index.dtype.is_integer and index.shape.rank == 1):
        raise ValueError(
            "The index of an unlabeled row is its number, an integer (batch,); "
            f"got {index.dtype.name} {index.shape}. Cast or squeeze it."
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
    if not all(hasattr(part, "dtype") for part in tf.nest.flatten(x_u)):
        return False
    return all(
        a.dtype == b.dtype and a.shape[1:].is_compatible_with(b.shape[1:])
        for a, b in zip(tf.nest.flatten(x), tf.nest.flatten(x_u), strict=True)
    )


def describe(x):
    """Returns shapes and dtypes of rows in words.

    Args:
        x: Nested specs, `(batch, ...)` each.
    """
    return ", ".join(
        f"{tuple(spec.shape[1:])} {spec.dtype.name}"
        if hasattr(spec, "dtype")
        else type(spec).__name__
        for spec in tf.nest.flatten(x)
    )


def is_pair_of_streams(stream):
    """Whether a dataset's elements are pairs as `merge_streams` makes them."""
    spec = getattr(stream, "element_spec", None)
    if not (isinstance(spec, tuple) and len(spec) == 2):
        return False
    labeled, unlabeled = spec
    # ((input, input), labels) is a tuple in a tuple, too.
    return (
        isinstance(labeled, tuple)
        and len(labeled) in (2, 3)
        and alike(unpack(labeled)[0], first_view(unpack(unlabeled)[0]))
    )


def check_scores(scores):
    """Refuses a classifier whose output has no axis of classes.

    Args:
        scores: Spec of the classifier's output.

    Raises:
        ValueError: If there are several outputs, or how many scores a row has
            is not known.
    """
    if not hasattr(scores, "shape"):
        raise ValueError(
            "Pseudo-labels need a classifier with a single output; got "
            f"{type(scores).__name__} of {len(scores)}."
        )
    classes = scores.shape[-1] if len(scores.shape) > 1 else None
    if not classes:
        raise ValueError(
            "The classifier's output must be (batch, ..., classes), with one "
            "score per class, or a single one for two classes; got "
            f"{tuple(scores.shape)}."
        )


def check_labels(name, y, scores, views=False, questions=False):
    """Refuses labels of a form that the classifier's output does not fit.

    Args:
        name: What they are called, for the message.
        y: Spec of the labels.
        scores: Spec of the classifier's output, `(batch, ..., classes)`.
        views: Whether to say how a second view is given.
        questions: Whether every output answers a question of its own.

    Raises:
        ValueError: If they are neither class ids nor one value per class; or,
            of questions, not one value per output.
    """
    hint = ""
    if views:
        hint = (
            " A second view of the inputs is no label: yield "
            "tpl.views.Viewed(weak, strong)."
        )
    if not hasattr(y, "dtype"):
        raise ValueError(
            f"{name} must be one tensor; got {type(y).__name__} of "
            f"{len(y)}.{hint}"
        )
    if y.dtype == tf.string:
        raise ValueError(
            f"{name} must be numbers; got strings. Map them to class ids, with "
            f"keras.layers.StringLookup(num_oov_indices=0) for example.{hint}"
        )
    if questions:
        _check_answers(name, y, scores, hint)
    else:
        _check_classes(name, y, scores, hint)


def _check_answers(name, y, scores, hint):
    single = scores.shape[-1] == 1
    allowed = [scores.shape, *([scores.shape[:-1]] if single else [])]
    if not any(_fits(y.shape, shape) for shape in allowed):
        raise ValueError(
            f"{name} must be 0 or 1 for each output of the classifier, "
            f"{' or '.join(map(_shape, reversed(allowed)))}; got "
            f"{_shape(y.shape)}.{hint}"
        )


def _check_classes(name, y, scores, hint):
    classes, positions = scores.shape[-1], len(scores.shape) - 1
    is_ids = forms.holds_class_ids(y, scores)
    fits = (
        len(y.shape) in (positions, positions + 1)
        if is_ids
        else len(y.shape) == positions + 1 and y.shape[-1] == classes
    )
    if fits and is_ids and len(y.shape) == positions:
        fits = _fits(y.shape, scores.shape[:-1])
    if not fits:
        raise ValueError(
            f"{name} must be class ids {_shape(scores.shape[:-1])} or one "
            f"value for each of {classes} classes {_shape(scores.shape)}, as "
            f"the classifier's output has it; got {_shape(y.shape)}.{hint}"
        )


def check_weight(name, weight, scores):
    """Refuses sample weights of a shape that fits no rows.

    Args:
        name: The stream, for the message.
        weight: Spec of the weights.
        scores: Spec of the classifier's output, `(batch, ..., classes)`.

    Raises:
        ValueError: If they are neither one per row nor one per position.
    """
    positions = tuple(scores.shape[:-1])
    shape = tuple(weight.shape)
    inner = shape[1:]
    while inner and inner[-1] == 1:
        inner = inner[:-1]
    fits = len(inner) < len(positions) and all(
        a in (None, 1) or b is None or a == b
        for a, b in zip(inner, positions[1:], strict=False)
    )
    if not fits or weight.dtype == tf.string:
        raise ValueError(
            f"Sample weights of the {name} stream must be one per row or one "
            f"per position {_shape(positions)}; got {_shape(shape)} "
            f"{weight.dtype.name}."
        )


def _fits(shape, other):
    """Whether two shapes are one, as far as they are known; rows aside."""
    return len(shape) == len(other) and all(
        a is None or b is None or a == b
        for a, b in zip(shape[1:], other[1:], strict=True)
    )


def _shape(shape):
    inner = ["batch", *("?" if n is None else str(n) for n in shape[1:])]
    return f"({', '.join(inner)}{',' if len(inner) == 1 else ''})"
