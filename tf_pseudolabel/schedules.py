"""alpha(t): the weight of the pseudo-label loss as training proceeds."""

import math

from tf_pseudolabel.part import Configured
from tf_pseudolabel.registry import Flag, register


class Schedule(Configured):
    """A serializable callable from time to alpha.

    Subclasses implement `__call__(t)` and `get_config()`, and are registered
    with `keras.saving.register_keras_serializable(package="tf_pseudolabel")`.
    """

    def __call__(self, t):
        """Returns alpha at time `t`.

        Args:
            t: Time as a number; the epoch, unless the scheduler's clock says
                otherwise.

        Returns:
            A float, at least 0.
        """
        raise TypeError(f"{type(self).__name__} must define __call__(t).")


@register(
    "schedule",
    "constant",
    help="alpha_f throughout",
    flags=[Flag("alpha_f", argument="alpha")],
    says="α is {alpha_f:g} throughout",
    order=2,
)
class Constant(Schedule):
    """The same alpha throughout.

    Args:
        alpha: Float, at least 0.

    Raises:
        ValueError: If alpha is negative or not finite.
    """

    def __init__(self, alpha):
        self.alpha = _checked("alpha", alpha)

    def __call__(self, t):
        """Returns alpha, whatever the time."""
        return self.alpha

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"alpha": self.alpha}


@register(
    "schedule",
    "linear",
    help="Lee",
    flags=[
        Flag("t1", 100.0, "epoch at which alpha starts to rise", least=0),
        Flag("t2", 600.0, "epoch at which alpha reaches alpha_f", least=0),
        Flag("alpha_f", 3.0, "final weight of pseudo-labels", least=0),
    ],
    says="α is 0 before epoch {t1:g}, rises to {alpha_f:g} by epoch {t2:g} "
    "(linear ramp), and stays",
)
class LinearRamp(Schedule):
    """Zero, then a straight rise, then constant (Lee 2013, equation 16).

    `alpha(t)` is 0 for `t < t1`, `(t - t1) / (t2 - t1) * alpha_f` for
    `t1 <= t < t2`, and `alpha_f` from `t2` on.

    Args:
        t1: Number: where the rise begins.
        t2: Number, at least `t1`: where it ends. With `t2 == t1`, a step.
        alpha_f: Float, at least 0: the final value. Lee uses 3.

    Raises:
        ValueError: If `t2 < t1`, or alpha_f is negative or not finite.
    """

    def __init__(self, t1, t2, alpha_f):
        if not t1 <= t2:
            raise ValueError(
                f"A ramp needs t1 <= t2; got t1={t1} and t2={t2}. "
                "Swap them, or set t2 to the time at which alpha_f is reached."
            )
        self.t1 = t1
        self.t2 = t2
        self.alpha_f = _checked("alpha_f", alpha_f)

    def __call__(self, t):
        """Returns alpha at time `t`."""
        if t < self.t1:
            return 0.0
        if t < self.t2:
            x = (t - self.t1) / (self.t2 - self.t1)
            return self._risen(x) * self.alpha_f
        return self.alpha_f

    def _risen(self, x):
        """The share of alpha_f at `x` in [0, 1), the share of the rise."""
        return x

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"t1": self.t1, "t2": self.t2, "alpha_f": self.alpha_f}


@register(
    "schedule",
    "sigmoid",
    help="slowly at first",
    flags=[Flag("t1"), Flag("t2"), Flag("alpha_f")],
    says="α is 0 before epoch {t1:g}, rises to {alpha_f:g} by epoch {t2:g} "
    "(sigmoid ramp), and stays",
    order=1,
)
class SigmoidRamp(LinearRamp):
    """Zero, then a rise shaped like a sigmoid, then constant.

    `alpha(t)` is 0 for `t < t1`, `exp(-5 (1 - x)^2) * alpha_f` with
    `x = (t - t1) / (t2 - t1)` for `t1 <= t < t2`, and `alpha_f` from `t2` on
    (Laine & Aila, "Temporal Ensembling for Semi-Supervised Learning", ICLR
    2017; Oliver et al., 2018).

    Args:
        t1: Number: where the rise begins.
        t2: Number, at least `t1`: where it ends.
        alpha_f: Float, at least 0: the final value.

    Raises:
        ValueError: If `t2 < t1`, or alpha_f is negative or not finite.
    """

    def _risen(self, x):
        return math.exp(-5 * (1 - x) ** 2)


@register(
    "schedule",
    "cosine",
    help="half a cosine",
    flags=[Flag("t1"), Flag("t2"), Flag("alpha_f")],
    says="α is 0 before epoch {t1:g}, rises to {alpha_f:g} by epoch {t2:g} "
    "(half a cosine), and stays",
    order=3,
)
class CosineRamp(LinearRamp):
    """Zero, then a rise along half a cosine, then constant.

    `alpha(t)` is 0 for `t < t1`, `(1 - cos(pi x)) / 2 * alpha_f` with
    `x = (t - t1) / (t2 - t1)` for `t1 <= t < t2`, and `alpha_f` from `t2` on
    (Berthelot et al., "AdaMatch", ICLR 2022, where t1 = 0).

    Args:
        t1: Number: where the rise begins.
        t2: Number, at least `t1`: where it ends.
        alpha_f: Float, at least 0: the final value.

    Raises:
        ValueError: If `t2 < t1`, or alpha_f is negative or not finite.
    """

    def _risen(self, x):
        return (1 - math.cos(math.pi * x)) / 2


def _checked(name, alpha):
    if not (math.isfinite(alpha) and alpha >= 0):
        raise ValueError(
            f"{name} weighs the pseudo-label loss and must be a finite number, "
            f"at least 0; got {alpha}. Use 0 to train on labels alone."
        )
    return float(alpha)
