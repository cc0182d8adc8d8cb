"""The two terms of the loss, averaged over the rows of an epoch."""

import keras
import tensorflow as tf


class LossTerms(keras.metrics.Metric):
    """Means of the labeled and the unlabeled loss since the last reset.

    Two `keras.metrics.Mean` in one variable: of a small update, such as those
    on labels alone, it is the operations that are many, not the numbers.

    Args:
        name: Name of the metric.
    """

    def __init__(self, name="loss_terms"):
        super().__init__(name=name, dtype="float32")
        self._sums = self.add_variable((4,), "zeros", name="sums")

    def update_state(self, labeled, unlabeled, rows, rows_u):
        """Adds an update.

        Args:
            labeled: Float scalar: the mean loss of the labeled rows.
            unlabeled: Float scalar: that of the unlabeled rows.
            rows: Float32 scalar: how many labeled rows there are.
            rows_u: Float32 scalar: how many unlabeled rows count.
        """
        labeled, unlabeled = (
            tf.cast(loss, tf.float32) for loss in (labeled, unlabeled)
        )
        self._sums.assign_add(
            tf.stack([labeled * rows, rows, unlabeled * rows_u, rows_u])
        )

    def result(self):
        """Returns the means by name, float32 scalars; 0 without rows."""
        labeled, rows, unlabeled, rows_u = tf.unstack(self._sums)
        return {
            "labeled_loss": tf.math.divide_no_nan(labeled, rows),
            "unlabeled_loss": tf.math.divide_no_nan(unlabeled, rows_u),
        }
