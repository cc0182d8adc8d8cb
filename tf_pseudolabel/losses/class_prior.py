"""Keeps the network from calling everything one class."""

import keras
import tensorflow as tf

from tf_pseudolabel.configured import Configured


@keras.saving.register_keras_serializable(package="tf_pseudolabel")
class ClassPrior(Configured):
    """The cross-entropy of uniform classes and the mean output.

    `-sum_c 1/C log(mean_c)`, where `mean` is the mean probability over all
    rows, labeled and unlabeled, of the global batch. Least where every class
    is predicted equally often, which keeps soft labels from collapsing on one:
    R_A of Arazo et al. (2020, equation 4), and L_p of their code.

    Args:
        weight: Float, at least 0. Arazo et al. use 0.8.
    """

    def __init__(self, weight=0.8):
        self.weight = weight

    def of_rows(self, probabilities):
        """Returns what is averaged over the rows.

        Args:
            probabilities: Float tensor `(rows, classes)`.

        Returns:
            Float tensor `(rows, k)`.
        """
        return probabilities

    def of_mean(self, mean):
        """Returns the penalty for a mean over rows.

        Args:
            mean: Float tensor `(k,)`.

        Returns:
            Float scalar, at least 0.
        """
        return -tf.reduce_mean(tf.math.log(tf.maximum(mean, 1e-12)))

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"weight": self.weight}
