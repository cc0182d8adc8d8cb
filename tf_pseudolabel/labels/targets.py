"""What is made of the scores: the target that the loss compares with."""

import keras
import tensorflow as tf

from tf_pseudolabel.configured import Configured


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
    """Returns labels of either kind as class ids.

    Args:
        labels: Class ids or one value per class; see `holds_class_ids`.
        scores: Float tensor `(batch, ..., classes)`.

    Returns:
        An int64 tensor `(batch, ...)` in `[0, classes)`.
    """
    if not holds_class_ids(labels, scores):
        return tf.argmax(labels, axis=-1)
    if len(labels.shape) == len(scores.shape):
        labels = tf.squeeze(labels, axis=-1)
    return tf.cast(labels, tf.int64)


@keras.saving.register_keras_serializable(package="tf_pseudolabel")
class Hard(Configured):
    """The class with the largest score: Lee's pseudo-label (equation 14)."""

    def __call__(self, ids, probabilities, like):
        """Makes the pseudo-labels.

        Args:
            ids: Int64 tensor `(batch, ...)`: the classes with the largest
                scores. Probabilities round: several may be 1.
            probabilities: Float tensor `(batch, ..., classes)`.
            like: The labeled stream's labels, which decide the form: class ids
                or one-hot.

        Returns:
            A tensor with the form and the dtype of `like`.
        """
        if not holds_class_ids(like, probabilities):
            return tf.one_hot(ids, probabilities.shape[-1], dtype=like.dtype)
        if len(like.shape) == len(probabilities.shape):
            ids = ids[..., tf.newaxis]
        return tf.cast(ids, like.dtype)


@keras.saving.register_keras_serializable(package="tf_pseudolabel")
class Soft(Hard):
    """The probabilities themselves, as in Arazo et al. (2020).

    The labels of the labeled stream must be one float per class, one-hot.
    """

    def __call__(self, ids, probabilities, like):
        """Makes the pseudo-labels; see `Hard.__call__`."""
        check_distributions(like, probabilities)
        return tf.cast(probabilities, like.dtype)


@keras.saving.register_keras_serializable(package="tf_pseudolabel")
class Sharpened(Soft):
    """Probabilities raised to 1/temperature and normalized again.

    Between soft (temperature 1) and hard (towards 0): Berthelot et al.,
    "MixMatch", NeurIPS 2019, equation 7. For outputs that sum to 1.

    Args:
        temperature: Float above 0, at most 1. MixMatch uses 0.5, the default.

    Raises:
        ValueError: If the temperature is outside (0, 1].
    """

    def __init__(self, temperature=0.5):
        if not 0 < temperature <= 1:
            raise ValueError(
                "A temperature that sharpens is above 0 and at most 1; got "
                f"{temperature}. 1 leaves the probabilities as they are."
            )
        self.temperature = temperature

    def __call__(self, ids, probabilities, like):
        """Makes the pseudo-labels; see `Hard.__call__`."""
        # In logarithms: p^20 underflows.
        powers = (
            tf.math.log(tf.maximum(probabilities, 1e-30)) / self.temperature
        )
        return super().__call__(ids, tf.nn.softmax(powers), like)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"temperature": self.temperature}


TARGETS = {"hard": Hard, "soft": Soft, "sharpened": Sharpened}


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
