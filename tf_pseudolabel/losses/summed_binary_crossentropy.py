"""Binary cross-entropy summed over the classes (Lee 2013, equations 5, 15)."""

import keras
from keras import ops

from tf_pseudolabel.labels import forms


@keras.saving.register_keras_serializable(package="tf_pseudolabel")
class SummedBinaryCrossentropy(keras.losses.Loss):
    """One binary cross-entropy per class, summed over classes.

    `L(y, f) = -sum_i [y_i log f_i + (1 - y_i) log(1 - f_i)]`, averaged over the
    batch: the loss of Lee (2013), equations 5 and 15, for sigmoid outputs.
    `keras.losses.BinaryCrossentropy` takes the mean over classes instead, which
    makes every gradient smaller by the number of classes.

    Labels may be class ids or one value per class; of a single output they are
    0 or 1.

    Args:
        from_logits: Whether the classifier's outputs are logits rather than
            sigmoid probabilities. Logits are the numerically safer choice.
            Defaults to False.
        reduction: As for every Keras loss. Defaults to
            `"sum_over_batch_size"`: the mean over rows.
        name: Name of the loss.
        dtype: Dtype or policy of the computation. Defaults to
            `keras.config.floatx()`.
    """

    def __init__(
        self,
        from_logits=False,
        reduction="sum_over_batch_size",
        name="summed_binary_crossentropy",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.from_logits = from_logits

    def call(self, y_true, y_pred):
        """Returns the loss of each row.

        Args:
            y_true: `(batch, ...)` class ids, or `(batch, ..., classes)`.
            y_pred: Float tensor `(batch, ..., classes)`.

        Returns:
            Float tensor `(batch, ...)`, at least 0.
        """
        if y_pred.shape[-1] == 1:
            y_true = forms.shaped_like(y_true, y_pred)
        elif forms.holds_class_ids(y_true, y_pred):
            ids = forms.class_ids(y_true, y_pred)
            y_true = ops.one_hot(ids, y_pred.shape[-1], dtype=y_pred.dtype)
        per_class = ops.binary_crossentropy(
            y_true, y_pred, from_logits=self.from_logits
        )
        return ops.sum(per_class, axis=-1)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "from_logits": self.from_logits}
