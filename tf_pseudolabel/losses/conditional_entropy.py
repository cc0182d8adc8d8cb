"""Entropy regularization: outputs on unlabeled rows shall be sure."""

import keras
import tensorflow as tf

_ACTIVATIONS = ("softmax", "sigmoid")


@keras.saving.register_keras_serializable(package="tf_pseudolabel")
class ConditionalEntropy(keras.losses.Loss):
    """The entropy of the outputs themselves; labels do not count.

    `-sum_c P_c log P_c`, averaged over the batch. As the `unlabeled_loss` of
    `PseudoLabelModel` it makes the objective of entropy regularization,
    labeled loss + alpha · H(y | x'), in place of pseudo-labels (Grandvalet &
    Bengio, "Semi-supervised Learning by Entropy Minimization", NIPS 2004; Lee
    2013, equations 17 and 18, where alpha is called lambda).

    For sigmoid outputs, too, there is no `(1 - P)` term, as in Lee's equation.
    They have no entropy either where all of them are 0, and that is where some
    rows go: none of the classes, for sure. Softmax outputs cannot.

    Args:
        activation: `"softmax"` or `"sigmoid"`: what makes the classifier's
            scores, which are logits, probabilities. Defaults to `"softmax"`.
        reduction: As for every Keras loss. Defaults to
            `"sum_over_batch_size"`: the mean over rows.
        name: Name of the loss.
        dtype: Dtype or policy of the computation. Defaults to
            `keras.config.floatx()`.

    Raises:
        ValueError: If the activation is another one.
    """

    def __init__(
        self,
        activation="softmax",
        reduction="sum_over_batch_size",
        name="conditional_entropy",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if activation not in _ACTIVATIONS:
            raise ValueError(
                f"`activation` is one of {', '.join(_ACTIVATIONS)}; got "
                f"{activation!r}. Take that of the classifier's output."
            )
        self.activation = activation

    def call(self, y_true, y_pred):
        """Returns the entropy of each row.

        Args:
            y_true: Not used; of any form that Keras takes for labels.
            y_pred: Float tensor `(batch, ..., classes)`: logits.

        Returns:
            Float tensor `(batch, ...)`, at least 0, in nats.
        """
        # From logits, as the log of a rounded 0 would be infinite.
        if self.activation == "sigmoid":
            outputs, logs = tf.sigmoid(y_pred), tf.math.log_sigmoid(y_pred)
        else:
            outputs, logs = tf.nn.softmax(y_pred), tf.nn.log_softmax(y_pred)
        return -tf.reduce_sum(outputs * logs, axis=-1)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "activation": self.activation}
