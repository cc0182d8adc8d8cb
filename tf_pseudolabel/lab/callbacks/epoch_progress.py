"""One progress bar for all epochs of an arm."""

import keras


class EpochProgress(keras.callbacks.Callback):
    """Shows Keras' bar once per arm, where `fit` would show it per epoch.

    Args:
        title: Printed above the bar.
        epochs: Epochs in all, over every call of `fit`.
        shown: Names of the logs beside the bar; those absent are left out.
    """

    def __init__(self, title, epochs, shown):
        super().__init__()
        self.title = title
        self.epochs = epochs
        self.shown = shown
        self._bar = None

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the bar, in the first epoch of the first `fit` only."""
        if self._bar is None:
            print(self.title)
            self._bar = keras.utils.Progbar(
                self.epochs, stateful_metrics=self.shown, unit_name="epoch"
            )

    def on_epoch_end(self, epoch, logs=None):
        """Moves the bar by one epoch."""
        values = [(key, logs[key]) for key in self.shown if key in logs]
        self._bar.update(epoch + 1, values)
