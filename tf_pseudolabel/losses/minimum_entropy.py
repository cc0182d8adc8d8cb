"""Asks every output for a decision."""

import keras
import tensorflow as tf

from tf_pseudolabel.configured import Configured


@keras.saving.register_keras_serializable(package="tf_pseudolabel")
class MinimumEntropy(Configured):
    """The mean entropy of the outputs, labeled and unlabeled.

    `-1/n sum_m sum_c p log p` over all rows of the global batch (Grandvalet &
    Bengio, "Semi-supervised Learning by Entropy Minimization", NIPS 2004). With
    soft labels it keeps outputs from staying undecided: R_H of Arazo et al.
    (2020, equation 5).

    Args:
        weight: Float, at least 0. Arazo et al. use 0.4.
    """

    def __init__(self, weight=0.4):
        self.weight = weight

    def of_rows(self, probabilities):
        """Returns what is averaged over the rows.

        Args:
            probabilities: Float tensor `(rows, classes)`.

        Returns:
            Float tensor `(rows, k)`.
        """
        # log 0 would be a gradient of NaN, though 0 log 0 is 0.
        logs = tf.math.log(tf.maximum(probabilities, 1e-12))
        return -tf.reduce_sum(probabilities * logs, axis=-1, keepdims=True)

    def of_mean(self, mean):
        """Returns the penalty for a mean over rows.

        Args:
            mean: Float tensor `(k,)`.

        Returns:
            Float scalar, at least 0.
        """
        return mean[0]

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"weight": self.weight}
