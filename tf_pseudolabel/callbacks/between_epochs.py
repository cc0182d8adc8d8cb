"""What a model does between its epochs."""

import contextlib
import math

import keras

from tf_pseudolabel.streams import merging


class BetweenEpochs(keras.callbacks.Callback):
    """Calls the hooks of a model's parts; added by `fit`, before all others.

    Leaves out of the logs what nothing is known of, `pseudo_label_accuracy`
    while alpha is 0 for example, as Keras leaves out `val_` figures of epochs
    without validation: a NaN would be the best value that callbacks know, for
    ever.

    Args:
        stream: The merged stream that is trained on.
        parts: List of `Part`s.
        progress: Callable from the epoch to a `Progress`.
    """

    def __init__(self, stream, parts, progress):
        super().__init__()
        self._stream = stream
        self._parts = parts
        self._progress = progress
        self._begun = False

    def on_epoch_begin(self, epoch, logs=None):
        """Has the labels go on where training is, restored or not."""
        if not self._begun:
            self._begun = True
            merging.go_on(self._stream, int(self.model.updates.numpy()))

    def on_epoch_end(self, epoch, logs=None):
        """Calls `end_epoch`, and takes NaN out of the logs.

        Raises:
            ValueError: If there was no batch in the epoch.
        """
        if not logs:
            raise ValueError(
                f"Both streams must yield batches; got none in epoch {epoch}. "
                "Look for a filter that removes everything, or a generator "
                "that is used up after one pass."
            )
        for part in self._parts:
            part.end_epoch(self._progress(epoch))
        unknown = [
            name
            for name in self.model.statistics.shown
            if math.isnan(float(logs.get(name, 0.0)))
        ]
        for name in unknown:
            del logs[name]


@contextlib.contextmanager
def before_others(own, callbacks, model):
    """Puts a callback before those of a call of `fit`, for its time.

    Args:
        own: The callback.
        callbacks: What `fit` was given.
        model: The model that is trained.

    Yields:
        What to give Keras instead.
    """
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        yield [own, *keras.tree.flatten(callbacks or [])]
        return
    own.set_model(model)
    callbacks.callbacks.insert(0, own)
    try:
        yield callbacks
    finally:
        callbacks.callbacks.remove(own)
