"""Ends a run whose loss is no longer a number."""

import math

import keras

from tf_pseudolabel.lab.errors import InputError


class StopOnNaN(keras.callbacks.Callback):
    """Raises at the end of the epoch in which the loss turned NaN or infinite.

    `keras.callbacks.TerminateOnNaN` lets the callbacks of that epoch's end run,
    checkpoints among them. Placed before them, this one does not: the last
    checkpoint stays the last good one.
    """

    def on_epoch_end(self, epoch, logs=None):
        """Raises `InputError` if a mean loss of the epoch is not finite.

        The validation loss tells of weights that the last update spoilt.
        """
        for name in ("loss", "val_loss"):
            loss = float((logs or {}).get(name, 0.0))
            if not math.isfinite(loss):
                kept = "the checkpoint of the epoch before is kept"
                raise InputError(
                    f"The {name} turned {loss} in epoch {epoch}; "
                    f"{kept if epoch else 'there is no checkpoint yet'}. "
                    "Lower --learning_rate or --alpha_f."
                )
