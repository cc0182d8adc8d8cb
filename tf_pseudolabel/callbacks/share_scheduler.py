"""Moves the share of the rows of every class that counts."""

import keras
import numpy as np

from tf_pseudolabel.labels.selections import TopShare


class ShareScheduler(keras.callbacks.Callback):
    """Finds, before each epoch, how sure the surest rows of a class are.

    One pass of the teacher over the unlabeled rows gives, for every class, the
    confidence that its surest `share` reach: the thresholds of `TopShare`. A
    curriculum begins with a small share and ends with 1 (Cascante-Bonilla et
    al., "Curriculum Labeling", AAAI 2021); at 1 no pass is needed.

    Place it before callbacks that restore a model when training begins.

    Args:
        schedule: Callable from the epoch to the share, above 0 and at most 1.
        unlabeled: The unlabeled inputs: nested arrays, or a batched
            `tf.data.Dataset`.

    Example:
    >>> import tf_pseudolabel as tpl
    >>> share = lambda epoch: min(1.0, 0.2 + 0.05 * epoch)
    >>> scheduler = tpl.ShareScheduler(share, unlabeled=[[0.0], [1.0]])
    >>> [round(scheduler.schedule(epoch), 2) for epoch in (0, 4, 20)]
    [0.2, 0.4, 1.0]
    """

    def __init__(self, schedule, unlabeled):
        super().__init__()
        self.schedule = schedule
        self.unlabeled = unlabeled

    def on_train_begin(self, logs=None):
        """Refuses a model that selects otherwise."""
        selection = getattr(self.model, "selection", None)
        if not isinstance(selection, TopShare):
            raise ValueError(
                "ShareScheduler moves the thresholds of TopShare; got a model "
                f"with selection={selection!r}. Create it with "
                "PseudoLabelModel(..., selection=tpl.TopShare())."
            )
        selection.measure_again()

    def on_epoch_begin(self, epoch, logs=None):
        """Measures, unless the epoch was begun before an interruption."""
        selection = self.model.selection
        if selection.epoch == epoch:
            return
        share = float(self.schedule(epoch))
        if not 0 < share <= 1:
            raise ValueError(
                "A share of the rows is above 0 and at most 1; "
                f"{self.schedule!r} gave {share} at epoch {epoch}."
            )
        thresholds = np.zeros(selection.thresholds.shape, np.float32)
        if share < 1:
            thresholds = least_confidences(
                *self.model.label(self.unlabeled), share, len(thresholds)
            )
            thresholds = _rounded_down(thresholds)
        selection.assign(thresholds, epoch)


def _rounded_down(confidence):
    """What a confidence may round to in a batch of another size, at least.

    A logit may be off by some units in its last place, which moves a
    probability p in proportion to p (1 - p); p has a last place of its own.
    """
    off = 4e-6 * (1 - confidence) + np.finfo(np.float32).eps
    return np.maximum(confidence - off, 0).astype(np.float32)


def least_confidences(ids, confidence, share, classes):
    """The confidence that the surest share of every class reaches.

    Args:
        ids: Int array `(rows, ...)`: the classes of the rows; negative ones are
            left out.
        confidence: Float array `(rows, ...)`: their probabilities.
        share: Float above 0 and at most 1; of `n` rows, `ceil(share * n)`.
        classes: Int: the number of classes.

    Returns:
        Float32 array `(classes,)`; 0 for a class without rows.
    """
    confidence, ids = confidence.ravel(), ids.ravel()
    least = np.zeros(classes, np.float32)
    for number in range(classes):
        of_class = np.sort(confidence[ids == number])[::-1]
        if len(of_class):
            # 0.1 * 30 is above 3 in floating point.
            count = int(np.ceil(round(share * len(of_class), 9)))
            least[number] = of_class[count - 1]
    return least
