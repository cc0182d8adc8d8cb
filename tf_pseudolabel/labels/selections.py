"""Which unlabeled rows count, and over which of them the loss is averaged."""

import keras
import tensorflow as tf

from tf_pseudolabel.configured import Configured

MEANS = ("all", "accepted")


@keras.saving.register_keras_serializable(package="tf_pseudolabel")
class All(Configured):
    """Every row counts: Lee's choice. No threshold."""

    mean = "all"

    def accepted(self, ids, probabilities):
        """Returns None, for all rows.

        Args:
            ids: Not used.
            probabilities: Not used.
        """
        return None


@keras.saving.register_keras_serializable(package="tf_pseudolabel")
class Threshold(Configured):
    """Rows count whose largest probability reaches a threshold.

    Args:
        threshold: Float in [0, 1]. Defaults to 0.95, as in Oliver et al.
            (2018), FixMatch and USB.
        mean: What the loss of the accepted rows is divided by. `"all"`, the
            default: the number of all unlabeled rows of the batch, accepted or
            not, so that the term is small while few are accepted (Oliver et
            al., FixMatch, USB). `"accepted"`: the number of accepted rows, so
            that each weighs the same however few they are. Either is counted
            over the global batch where there are several replicas.

    Raises:
        ValueError: If the threshold is outside [0, 1] or the mean unknown.
    """

    def __init__(self, threshold=0.95, mean="all"):
        if not 0 <= threshold <= 1:
            raise ValueError(
                "`threshold` is a probability, in [0, 1]; got "
                f"{threshold}. 0 accepts every row."
            )
        self.threshold = threshold
        self.mean = _checked(mean)

    def accepted(self, ids, probabilities):
        """Tells which rows count.

        Args:
            ids: Int64 tensor `(batch, ...)`: the classes with the largest
                scores.
            probabilities: Float tensor `(batch, ..., classes)`.

        Returns:
            Float32 tensor `(batch, ...)`: 1 for the rows that count, else 0.
        """
        largest = tf.reduce_max(probabilities, axis=-1)
        return tf.cast(largest >= self.threshold, tf.float32)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"threshold": self.threshold, "mean": self.mean}


@keras.saving.register_keras_serializable(package="tf_pseudolabel")
class TopShare(keras.layers.Layer):
    """The surest share of the rows of every class counts.

    A class whose rows are never sure gets its share all the same, where a
    fixed threshold would leave it out (Zou et al., "Unsupervised Domain
    Adaptation via Class-Balanced Self-Training", ECCV 2018; Cascante-Bonilla
    et al., "Curriculum Labeling", AAAI 2021). `ShareScheduler` measures the
    confidence that a class's surest share reaches, on the unlabeled rows and
    before each epoch, and moves the share. Until then every row counts.

    A layer, so that these confidences are saved with the model.

    Args:
        mean: As for `Threshold`. Defaults to `"accepted"`: the share is a
            matter of choice, and should not move the weight of the loss.

    Raises:
        ValueError: If the mean is unknown.
    """

    def __init__(self, mean="accepted", **kwargs):
        super().__init__(**{"dtype": "float32", "trainable": False, **kwargs})
        self.mean = _checked(mean)
        self.thresholds = self._epoch = None

    @property
    def epoch(self):
        """The epoch that the thresholds were measured for; -1 before."""
        return int(self._epoch.numpy())

    def build(self, scores_shape):
        """Makes the variables: a confidence per class, and their epoch."""
        kind = {
            "dtype": "float32",
            "trainable": False,
            "autocast": False,
            "aggregation": "only_first_replica",
        }
        self.thresholds = self.add_weight(
            name="thresholds",
            shape=scores_shape[-1:],
            initializer="zeros",
            **kind,
        )
        # Saved, so that an epoch that goes on later is not measured twice.
        self._epoch = self.add_weight(
            name="epoch",
            shape=(),
            initializer=keras.initializers.Constant(-1),
            **kind,
        )

    def assign(self, thresholds, epoch):
        """Moves the thresholds.

        Args:
            thresholds: Float array `(classes,)`: least confidence per class.
            epoch: Int: the epoch that they are for.
        """
        self.thresholds.assign(thresholds)
        self._epoch.assign(epoch)

    def measure_again(self):
        """Forgets which epoch the thresholds are for."""
        self._epoch.assign(-1)

    def accepted(self, ids, probabilities):
        """Tells which rows count.

        Args:
            ids: Int64 tensor `(batch, ...)`: the classes with the largest
                scores.
            probabilities: Float tensor `(batch, ..., classes)`.

        Returns:
            Float32 tensor `(batch, ...)`: 1 for the rows that count, else 0.
        """
        least = tf.gather(self.thresholds.value, ids)
        largest = tf.reduce_max(probabilities, axis=-1)
        return tf.cast(largest >= least, tf.float32)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "mean": self.mean}


SELECTIONS = {"all": All, "threshold": Threshold, "top_share": TopShare}


def _checked(mean):
    if mean not in MEANS:
        raise ValueError(f"`mean` is one of {MEANS}; got {mean!r}.")
    return mean
