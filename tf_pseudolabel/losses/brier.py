"""The squared error of probabilities."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("tf_pseudolabel")
class Brier(keras.losses.Loss):
    """The mean over classes of the squared error of probabilities.

    MixMatch's and ICT's loss of unlabeled rows: bounded, and less sensitive to
    wrong targets than a cross-entropy. The papers weigh `sum / C` as here
    (Berthelot et al., "MixMatch", NeurIPS 2019, equation 4).

    Args:
        from_logits: Whether scores are logits. Defaults to False:
            probabilities.
        reduction: As for every Keras loss.
        name: Its name.
        dtype: As for every Keras loss.
    """

    def __init__(
        self,
        from_logits=False,
        reduction="sum_over_batch_size",
        name="brier",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.from_logits = from_logits

    def call(self, y_true, y_pred):
        """Returns the error of every row.

        Args:
            y_true: Float tensor `(batch, ..., classes)`.
            y_pred: The same: scores.

        Returns:
            Float tensor `(batch, ...)`.
        """
        p = tf.nn.softmax(y_pred) if self.from_logits else y_pred
        return tf.reduce_mean(tf.square(p - y_true), axis=-1)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "from_logits": self.from_logits}
