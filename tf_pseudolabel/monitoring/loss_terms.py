"""The terms of the loss, averaged over the rows of an epoch."""

import keras
import tensorflow as tf


class LossTerms(keras.metrics.Metric):
    """Means of the labeled loss and of the terms since the last reset.

    So many `keras.metrics.Mean` in one variable: of a small update, such as
    those on labels alone, it is the operations that are many, not the numbers.

    Args:
        terms: Names of the terms on unlabeled rows.
        name: Name of the metric.
    """

    def __init__(self, terms=("unlabeled_loss",), name="loss_terms"):
        super().__init__(name=name, dtype="float32")
        self.terms = list(terms)
        self._sums = self.add_variable(
            (len(self.terms) + 3,), "zeros", name="sums"
        )

    def update_state(self, labeled, terms, rows, rows_u):
        """Adds an update.

        Args:
            labeled: Float scalar: the mean loss of the labeled rows.
            terms: List of float scalars: the means of the terms.
            rows: Float32 scalar: how many labeled rows there are.
            rows_u: Float32 scalar: how many unlabeled rows count.
        """
        rows, rows_u = (tf.cast(n, tf.float32) for n in (rows, rows_u))
        labeled = tf.cast(labeled, tf.float32)
        terms = [tf.cast(term, tf.float32) * rows_u for term in terms]
        sums = tf.stack([rows, rows_u, labeled * rows, *terms])
        self._sums.value.assign_add(tf.cast(sums, self._sums.dtype))

    def result(self):
        """Returns the means by name, float32 scalars; 0 without rows."""
        rows, rows_u, labeled, *terms = tf.unstack(self._sums)
        return {
            "labeled_loss": tf.math.divide_no_nan(labeled, rows),
            **{
                name: tf.math.divide_no_nan(term, rows_u)
                for name, term in zip(self.terms, terms, strict=True)
            },
        }
