"""Moves alpha along its schedule."""

import math

import keras


class AlphaScheduler(keras.callbacks.Callback):
    """Assigns `model.alpha` from a schedule of the epoch.

    To `PseudoLabelModel` what `keras.callbacks.LearningRateScheduler` is to an
    optimizer. It keeps no state: training that resumes at epoch k gets the
    alpha of epoch k. The model itself logs `alpha`.

    Args:
        schedule: Callable from time `t` to alpha, for example
            `LinearRamp(t1=100, t2=700, alpha_f=3.0)`. Lee's t is the epoch.
        clock: Callable `(epoch, batch) -> t`, both counted from 0, for a time
            that also moves within the epoch. Called before every batch or,
            compiled with `steps_per_execution`, before each group of them.
            Defaults to None: t is the epoch.

    Example:
    >>> import tf_pseudolabel as tpl
    >>> scheduler = tpl.AlphaScheduler(tpl.LinearRamp(t1=2, t2=6, alpha_f=1.0))
    >>> [scheduler.schedule(epoch) for epoch in range(8)]
    [0.0, 0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def __init__(self, schedule, clock=None):
        super().__init__()
        self.schedule = schedule
        self.clock = clock
        self._epoch = 0
        self._t = None

    def on_epoch_begin(self, epoch, logs=None):
        """Assigns the alpha with which the epoch starts."""
        self._epoch = epoch
        self._t = epoch if self.clock is None else self.clock(epoch, 0)
        self._assign(self._t)

    def on_train_batch_begin(self, batch, logs=None):
        """Assigns the alpha of the batch, where time moves within the epoch."""
        if self.clock is None:
            return
        t = self.clock(self._epoch, batch)
        if t != self._t:  # Time may move more slowly than batches.
            self._t = t
            self._assign(t)

    def _assign(self, t):
        if not hasattr(self.model, "alpha"):
            raise ValueError(
                "AlphaScheduler moves `model.alpha`, which "
                f"{type(self.model).__name__} does not have. Wrap the "
                "classifier in tf_pseudolabel.PseudoLabelModel."
            )
        alpha = float(self.schedule(t))
        if not (math.isfinite(alpha) and alpha >= 0):
            raise ValueError(
                "A schedule must give a finite alpha, at least 0; "
                f"{self.schedule!r} gave {alpha} at t={t}."
            )
        self.model.alpha.assign(alpha)
