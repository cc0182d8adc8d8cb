"""Ends a run whose loss is no longer a number."""

import math

import keras

from tf_pseudolabel.errors import InputError


class StopOnNaN(keras.callbacks.Callback):
    """Raises at the end of the epoch in which the loss turned NaN or infinite.

    `keras.callbacks.TerminateOnNaN` lets the callbacks of that epoch's end run,
    checkpoints among them. Placed before them, this one does not: the last
    checkpoint stays the last good one.
    """

    def on_epoch_end(self, epoch, logs=None):
        """Raises `InputError` if the epoch's mean loss is not finite."""
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise InputError(
                f"The loss turned {loss} in epoch {epoch}; the checkpoint of "
                "the epoch before is kept. Lower --learning_rate or --alpha_f."
            )
