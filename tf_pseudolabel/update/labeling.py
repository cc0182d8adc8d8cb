"""Rows labeled outside of an update, as an update would."""

import typing

import numpy as np
import tensorflow as tf

from tf_pseudolabel import compat
from tf_pseudolabel.labels import forms
from tf_pseudolabel.losses import rows
from tf_pseudolabel.update.batch import first_view, unpack
from tf_pseudolabel.update.outputs import outputs

_ROWS = 256  # At once, of arrays.


class Labeling(typing.NamedTuple):
    """What the teacher says of some rows.

    Attributes:
        ids: Int64 array `(rows, ...)`: class ids; -1 for masked positions. Of
            outputs that are yes or no each, `(rows, ..., outputs)`: 1 or 0.
        confidence: Float32 array `(rows, ...)`: their probabilities.
    """

    ids: np.ndarray
    confidence: np.ndarray


def as_batches(x):
    """Returns rows as batches.

    Args:
        x: A batched `tf.data.Dataset`; or nested arrays `(rows, ...)`.

    Returns:
        A batched `tf.data.Dataset`.

    Raises:
        ValueError: If they are no arrays of as many rows each.
    """
    if isinstance(x, tf.data.Dataset):
        return x
    try:
        arrays = tf.nest.map_structure(np.asarray, x)
        return tf.data.Dataset.from_tensor_slices((arrays,)).batch(_ROWS)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "Rows to label must be a batched tf.data.Dataset, or arrays (rows, "
            f"...); got {type(x).__name__}: {str(error).splitlines()[0]}"
        ) from error


class Labeler:
    """Labels batches of inputs by a method's teacher and alignment.

    Args:
        classifier: A built `keras.Model`.
        method: A `Method`.
    """

    def __init__(self, classifier, method):
        self._classifier = classifier
        self._method = method
        # Traced once, however often it is asked.
        self._label = tf.function(
            self._label_batch, reduce_retracing=True, autograph=False
        )

    def __call__(self, x):
        """Labels rows.

        Args:
            x: A batched `tf.data.Dataset` of inputs, whose labels are ignored.

        Returns:
            A `Labeling`.
        """
        batches = [self._label(first_view(unpack(element)[0])) for element in x]
        if not batches:
            raise ValueError("There must be rows to label; got none.")
        ids, confidence = zip(*batches, strict=True)
        return Labeling(np.concatenate(ids), np.concatenate(confidence))

    def _label_batch(self, x):
        method = self._method
        scores = method.teacher.label(self._classifier, x)
        mask, logits = compat.known_of(scores)
        # Of a classifier that is not built by then, the method cannot tell.
        questions = forms.are_questions(scores.shape, method.questions)
        activated = logits is not None
        raw = outputs(scores, method.loss, activated, questions).probabilities
        aligned = raw
        if method.alignment is not None:
            aligned = method.alignment.align(raw)
        by_scores = aligned is raw and not questions
        ids = tf.argmax(scores if by_scores else aligned, axis=-1)
        if mask is not None:
            ids = tf.where(rows.like(mask, ids) > 0, ids, forms.UNKNOWN)
        return ids, tf.reduce_max(aligned, axis=-1)
