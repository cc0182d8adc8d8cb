"""Keeps the classifier of the epoch with the best validation accuracy."""

import keras


class BestClassifier(keras.callbacks.Callback):
    """Saves the classifier whenever its validation accuracy is the best yet.

    Args:
        rows: List of dicts: the history of the epochs before, with
            `val_accuracy`. It may grow while training goes on; what it holds
            when an epoch ends counts as before, but for that epoch.
        save: Callable of a classifier.
    """

    def __init__(self, rows, save):
        super().__init__()
        self.rows = rows
        self.save = save

    def on_epoch_end(self, epoch, logs=None):
        """Saves, if the epoch is the best one."""
        before = (r["val_accuracy"] for r in self.rows if r["epoch"] < epoch)
        if logs["val_accuracy"] > max(before, default=-1.0):
            with self.model.evaluated() as classifier:
                self.save(classifier)


def best_epoch(rows):
    """Finds the epoch whose classifier was kept.

    Args:
        rows: List of dicts with `epoch` and `val_accuracy`, at least one.

    Returns:
        The row of the first epoch with the best validation accuracy.
    """
    return max(rows, key=lambda row: row["val_accuracy"])
