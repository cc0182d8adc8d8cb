"""Moves alpha along its schedule."""

import math
import warnings

import keras


class AlphaScheduler(keras.callbacks.Callback):
    """Assigns `model.alpha` from a schedule of the epoch.

    To `PseudoLabelModel` what `keras.callbacks.LearningRateScheduler` is to an
    optimizer. It keeps no state: training that resumes at epoch k gets the
    alpha of epoch k. The model itself logs `alpha`.

    Training in which alpha stays 0 is warned of before it starts or, with a
    clock, at its end, but where that is meant: `Constant(0)`, or `alpha_f=0`.

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
        if not callable(schedule):
            raise ValueError(
                "`schedule` is a callable from time to alpha; got "
                f"{schedule!r}. For the same alpha throughout: "
                f"Constant({schedule!r})."
            )
        self.schedule = schedule
        self.clock = clock
        self._epoch = self._first = None
        self._t = None
        self._largest = 0.0

    def on_train_begin(self, logs=None):
        """Begins to look for an alpha above 0."""
        self._first, self._largest = None, 0.0

    def on_train_end(self, logs=None):
        """Warns where alpha was 0 all the time, which a clock decided."""
        if self.clock is not None and self._first is not None:
            self._warn_of(self._largest, self._epoch + 1 - self._first)

    def _warn_of(self, largest, epochs):
        if not getattr(self.model, "has_unlabeled", False) or largest > 0:
            return
        if 0 in (getattr(self.schedule, n, None) for n in ("alpha", "alpha_f")):
            return  # It is meant.
        warnings.warn(
            f"alpha stays 0 in all of {epochs} epochs, so that no unlabeled "
            f"row is trained on: {self.schedule!r}. Train longer, or let alpha "
            "rise sooner.",
            stacklevel=3,
        )

    def on_epoch_begin(self, epoch, logs=None):
        """Assigns the alpha with which the epoch starts."""
        if self._first is None:
            self._first = epoch
            last = (self.params or {}).get("epochs") or 0
            if self.clock is None and last > epoch:
                alphas = [float(self.schedule(t)) for t in range(epoch, last)]
                self._warn_of(max(alphas), len(alphas))
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
        self._largest = max(self._largest, alpha)
