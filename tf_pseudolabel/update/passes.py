"""How both batches pass through the network: what batch normalization sees.

Each way is a generator of the labeled scores, then the unlabeled ones; a part
that is None has no rows, and gets None. The labeled loss is taken between the
two, so that what a pass leaves behind (activity losses) is the labels' own.
"""

import contextlib

import keras
import tensorflow as tf

from tf_pseudolabel.streams import merging as streams


def separate(model, x, x_u):
    """Each batch in a pass of its own; moving statistics follow both.

    Args:
        model: The `PseudoLabelModel` under training.
        x: A batch of labeled inputs, or None.
        x_u: A batch of unlabeled inputs, or None.

    Yields:
        The scores of `x`, then those of `x_u`, in training mode.
    """
    for batch in (x, x_u):
        yield None if batch is None else model(batch, training=True)


def labeled(model, x, x_u):
    """Each batch in a pass of its own; moving statistics follow the labels.

    The unlabeled batch is normalized by its own statistics, and leaves none
    behind: what FixMatch and USB do.

    Args:
        model: The `PseudoLabelModel` under training.
        x: A batch of labeled inputs, or None.
        x_u: A batch of unlabeled inputs, or None.

    Yields:
        The scores of `x`, then those of `x_u`, in training mode.
    """
    passes = separate(model, x, x_u)
    yield next(passes)
    with _unmoved_statistics(model.classifier):
        scores = next(passes)
    yield scores


def joint(model, x, x_u):
    """Both batches in one pass, normalized together.

    Args:
        model: The `PseudoLabelModel` under training.
        x: A batch of labeled inputs, or None.
        x_u: A batch of unlabeled inputs, or None.

    Yields:
        The scores of `x`, then those of `x_u`, in training mode.
    """
    if x is None or x_u is None:
        yield from separate(model, x, x_u)
        return
    both = tf.nest.map_structure(lambda *xs: tf.concat(xs, axis=0), x, x_u)
    scores = model(both, training=True)
    mask = getattr(scores, "_keras_mask", None)
    rows = streams.count_rows(x)
    for part in (slice(None, rows), slice(rows, None)):
        of_part = scores[part]
        if mask is not None:
            of_part._keras_mask = mask[part]
        yield of_part


PASSES = {"separate": separate, "labeled": labeled, "joint": joint}


@contextlib.contextmanager
def _unmoved_statistics(classifier):
    """Puts moving means and variances back to what they were."""
    statistics = [
        variable
        for layer in classifier._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
        for variable in layer.non_trainable_variables
    ]
    before = [tf.identity(variable.value) for variable in statistics]
    yield
    for variable, value in zip(statistics, before, strict=True):
        variable.assign(value)
