"""What the pseudo-labels of an epoch were like, gathered update by update."""

import keras
import numpy as np
import tensorflow as tf

from tf_pseudolabel.labels import forms

BINS = 15  # of confidence, as in Guo et al. (2017)
_SUMS = (
    "rows",
    "accepted",
    "confidence",
    "entropy",
    "known",
    "correct",
    "known_accepted",
    "correct_accepted",
)


class PseudoLabelStatistics(keras.metrics.Metric):
    """Sums over the pseudo-labels that training made since the last reset.

    All sums lie in one variable: replicas, machines and checkpoints then read
    one value. `summary` makes figures of them.

    Args:
        name: Name of the metric.

    Attributes:
        shown: Names of the figures that `result` gives, and so `fit` logs.
    """

    def __init__(self, name="pseudo_labels"):
        super().__init__(name=name, dtype="float32")
        self.shown = ()
        self._classes, self._several = None, False

    def build(self, classes, several=False):
        """Makes the variable, unless it is there.

        Args:
            classes: Int: the number of classes.
            several: Whether a row has any number of them: labels then are
                `(batch, ..., classes)`, 1 for yes and 0 for no, of which yes is
                counted.
        """
        if self._classes == classes:
            return
        self._classes, self._several = classes, several
        self._sums = self.add_variable(
            shape=(len(_SUMS) + 2 * classes + 4 * BINS,),
            initializer="zeros",
            name="sums",
        )

    def update_state(
        self, probabilities, labels, accepted=None, hidden=None, mask=None
    ):
        """Adds a batch of pseudo-labels.

        Args:
            probabilities: Float tensor `(batch, ..., classes)` that they were
                made of.
            labels: Int64 tensor `(batch, ...)`: their class ids.
            accepted: Float tensor `(batch, ...)`: how much each row counts, in
                [0, 1]; None where all count 1.
            hidden: Int64 tensor `(batch, ...)`: the true class ids, negative
                where they are unknown; None where all are.
            mask: Tensor `(batch, ...)`, bools or 1 and 0: which of them are
                there; None: all. Like the two above it may have fewer axes than
                labels.
        """
        self._add(
            self._of_unlabeled(probabilities, labels, accepted, hidden, mask)
        )

    def update(self, context):
        """Adds an update: the labels of one stream, the beliefs of the other.

        Args:
            context: The update's `Context`, after its passes.
        """
        beliefs = context.beliefs
        ids, there, there_u = context.counted()
        unlabeled = labeled = None
        if ids is not None:
            labeled = self._of_labeled(ids, there)
        if beliefs is not None:
            unlabeled = self._of_unlabeled(
                beliefs.probabilities,
                beliefs.ids,
                beliefs.weight,
                context.unlabeled.y,
                there_u,
            )
        self._add(unlabeled, labeled)

    def count_labeled(self, ids, mask=None):
        """Adds a batch of the labeled stream's labels.

        Args:
            ids: Int64 tensor `(batch, ...)`: class ids; others are left out.
            mask: As for `update_state`.
        """
        self._add(labeled=self._of_labeled(ids, mask))

    def result(self):
        """Returns the figures that are shown: a dict from name to scalar."""
        if not self.shown:
            return {}
        sums = dict(
            zip(_SUMS, tf.unstack(self._sums[: len(_SUMS)]), strict=True)
        )
        return {
            name: _ratio(sums[over], sums[under])
            for name, (over, under) in _RATIOS.items()
            if name in self.shown
        }

    def summary(self):
        """Makes figures of the sums; on several machines, on all at once.

        Returns:
            A dict of floats, NaN where nothing is known; where every output is
            a yes or no, outputs are the rows:
            `coverage`: share of the rows that count, by their weights;
            `confidence`: mean largest probability;
            `entropy`: mean entropy of the outputs, in nats;
            `pseudo_label_accuracy` and `accepted_accuracy`: share of correct
            ones among all and among those that count;
            `calibration_error`: expected calibration error over 15 bins (Guo
            et al., "On Calibration of Modern Neural Networks", ICML 2017);
            `class_distance`: half the sum of the absolute differences between
            `class_shares` and the classes of the labeled rows, 0 to 1;
            `class_shares`: float array `(classes,)`, the classes of the
            rows that count (no and yes of a single output; of any number of
            classes, those with a yes); `labeled_shares`: the same of the
            labeled rows;
            and `confidences`: float array `(15,)`, rows per bin of confidence.
        """
        values = keras.ops.convert_to_numpy(self._sums).astype(np.float64)
        sums, classes, labeled, bins = np.split(
            values, np.cumsum([len(_SUMS), self._classes, self._classes])
        )
        sums = dict(zip(_SUMS, sums, strict=True))
        with np.errstate(invalid="ignore", divide="ignore"):
            figures = {
                name: float(sums[over] / sums[under])
                for name, (over, under) in _RATIOS.items()
            }
            rows, known, confidence, correct = bins.reshape(4, BINS)
            gaps = np.abs(correct - confidence).sum()
            shares, labeled = classes / classes.sum(), labeled / labeled.sum()
            return {
                **figures,
                "calibration_error": float(gaps / known.sum()),
                "class_distance": float(np.abs(shares - labeled).sum() / 2),
                "class_shares": shares,
                "labeled_shares": labeled,
                "confidences": rows,
            }

    def _of_unlabeled(self, probabilities, labels, accepted, hidden, mask):
        """Sums over a batch of pseudo-labels: of rows, by class, by bin."""
        accepted, hidden, mask = (
            None if values is None else _flat(values, labels)
            for values in (accepted, hidden, mask)
        )
        probabilities = tf.reshape(probabilities, [-1, probabilities.shape[-1]])
        labels = tf.reshape(labels, [-1])
        confidence = tf.reduce_max(probabilities, axis=-1)
        rows = tf.ones_like(confidence)
        if mask is not None:
            rows = tf.cast(mask, tf.float32)
        accepted = (
            rows if accepted is None else rows * tf.cast(accepted, tf.float32)
        )
        known, correct = tf.zeros_like(rows), tf.zeros_like(rows)
        if hidden is not None:
            known = rows * tf.cast(hidden >= 0, tf.float32)
            correct = known * tf.cast(tf.equal(labels, hidden), tf.float32)
        entropy = -tf.reduce_sum(
            tf.math.xlogy(probabilities, probabilities), axis=-1
        )
        by_row = tf.stack(
            [
                rows,
                accepted,
                rows * confidence,
                rows * entropy,
                known,
                correct,
                known * accepted,
                correct * accepted,
            ]
        )
        number = tf.cast(tf.math.ceil(confidence * BINS), tf.int32) - 1
        in_bin = tf.one_hot(tf.clip_by_value(number, 0, BINS - 1), BINS)
        calibration = tf.stack([rows, known, known * confidence, correct])
        return (
            tf.reduce_sum(by_row, axis=1),
            self._by_class(labels, accepted),
            tf.reshape(calibration @ in_bin, [-1]),
        )

    def _of_labeled(self, ids, mask):
        """Sums over a batch of labels, by class."""
        if mask is not None:
            mask = _flat(mask, ids)
        ids = tf.reshape(ids, [-1])
        if mask is not None:
            ids = tf.where(tf.cast(mask, tf.bool), ids, forms.UNKNOWN)
        return self._by_class(ids, tf.ones_like(ids, tf.float32))

    def _by_class(self, ids, weights):
        """Sums weights by class, without an array of rows and classes."""
        if self._several:
            numbers = tf.range(tf.size(ids, ids.dtype)) % self._classes
            ids = tf.where(ids == 1, numbers, forms.UNKNOWN)
        inside = tf.where(ids < self._classes, ids, forms.UNKNOWN)
        return tf.math.unsorted_segment_sum(weights, inside, self._classes)

    def _add(self, unlabeled=None, labeled=None):
        """Adds the sums of an update; None: there are none."""
        if unlabeled is None:
            sizes = len(_SUMS), self._classes, 4 * BINS
            unlabeled = [tf.zeros([size]) for size in sizes]
        if labeled is None:
            labeled = tf.zeros([self._classes])
        sums, classes, bins = unlabeled
        sums = tf.concat([sums, classes, labeled, bins], axis=0)
        # One assignment: operations are what a small update takes.
        self._sums.value.assign_add(tf.cast(sums, self._sums.dtype))


_RATIOS = {
    "coverage": ("accepted", "rows"),
    "confidence": ("confidence", "rows"),
    "entropy": ("entropy", "rows"),
    "pseudo_label_accuracy": ("correct", "known"),
    "accepted_accuracy": ("correct_accepted", "known_accepted"),
}


def _ratio(over, under):
    """NaN where there is nothing: an epoch without values is no 0."""
    return tf.where(under > 0, over / tf.maximum(under, 1e-30), float("nan"))


def _flat(values, labels):
    """Values of rows or of positions in one axis, one for each label."""
    if len(values.shape) < len(labels.shape):
        while len(values.shape) < len(labels.shape):
            values = values[..., tf.newaxis]
        values = tf.broadcast_to(values, tf.shape(labels))
    return tf.reshape(values, [-1])
