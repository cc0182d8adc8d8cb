"""A cross-entropy for classes of different sizes."""

import keras
import numpy as np
import tensorflow as tf

from tf_pseudolabel import compat


@keras.saving.register_keras_serializable("tf_pseudolabel")
class LogitAdjusted(keras.losses.Loss):
    """The cross-entropy of `z + tau · log prior`: logit adjustment.

    Rare classes must win by more in training, so that the scores themselves are
    of classes of one size (Menon et al., "Long-Tail Learning via Logit
    Adjustment", ICLR 2021, equation 10). For logits; labels are class ids or
    one value per class. Pseudo-labels are minimized with it, too, unless
    `unlabeled_loss` says otherwise.

    Args:
        prior: Sequence of C floats: how often classes occur among the labels;
            counts will do.
        tau: Float, at least 0. Defaults to 1.
        reduction: As for every Keras loss.
        name: Its name.
        dtype: As for every Keras loss.

    Raises:
        ValueError: If a share is not above 0, or tau below 0.
    """

    from_logits = True

    def __init__(
        self,
        prior,
        tau=1.0,
        reduction="sum_over_batch_size",
        name="logit_adjusted",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        shares = np.asarray(prior, np.float64)
        if shares.ndim != 1 or not (shares > 0).all():
            raise ValueError(
                "`prior` has a share above 0 for every class; got "
                f"{shares.tolist()}. A class without labels cannot be learned."
            )
        if not tau >= 0:
            raise ValueError(f"`tau` must be at least 0; got {tau}.")
        self.prior, self.tau = (shares / shares.sum()).tolist(), float(tau)

    def call(self, y_true, y_pred):
        """Returns the loss of every row.

        Args:
            y_true: Class ids `(batch, ...)`, or one value per class.
            y_pred: Float tensor `(batch, ..., classes)`: logits.

        Returns:
            Float tensor `(batch, ...)`.

        Raises:
            ValueError: If there are more classes, or fewer, than shares.
        """
        # As Keras' own losses do where a network ends in softmax.
        behind = compat.logits_behind(y_pred)
        logits = y_pred if behind is None else tf.cast(behind, y_pred.dtype)
        if logits.shape[-1] != len(self.prior):
            raise ValueError(
                "`prior` has a share for every class; got "
                f"{len(self.prior)} for {logits.shape[-1]} classes."
            )
        logits += tf.constant(self.tau * np.log(self.prior), y_pred.dtype)
        if len(y_true.shape) == len(logits.shape) and y_true.shape[-1] > 1:
            return keras.losses.categorical_crossentropy(
                y_true, logits, from_logits=True
            )
        return keras.losses.sparse_categorical_crossentropy(
            y_true, logits, from_logits=True
        )

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "prior": self.prior, "tau": self.tau}
