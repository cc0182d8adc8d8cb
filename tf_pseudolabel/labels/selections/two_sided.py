"""One probability from which on an answer is yes, another one for no."""

import tensorflow as tf

from tf_pseudolabel.labels.selections.selection import Selection
from tf_pseudolabel.part import finite
from tf_pseudolabel.registry import Flag, register


@register(
    "selection",
    "two_sided",
    help="of yes/no outputs: at least --up or at most --down",
    flags=[
        Flag("up", 0.95, "two_sided: yes from it on", least=0.5, most=1),
        Flag("down", 0.05, "two_sided: no up to it", least=0, most=0.5),
        Flag("mean"),
    ],
    says="answers count that are yes from {up:g} on or no up to {down:g}, "
    "mean over {mean} of them",
    order=3,
)
class TwoSided(Selection):
    """Answers count that are a sure yes or a sure no, each by its own measure.

    For one sigmoid output, or many with the target `MultiHot`: an output `p`
    counts as yes where `p >= up`, as no where `p <= down`, else not at all.
    Where most answers are no, as of many classes, no is said easily, and yes
    needs a lower threshold than `1 - down`: `TwoSided(up=0.7, down=0.02)`.

    Args:
        up: Float in [0.5, 1], or a sequence of one per class. Defaults to 0.95.
        down: Float in [0, 0.5], or a sequence of one per class. Defaults to
            0.05.
        mean: As for `Selection`; what is counted are outputs. Defaults to
            `"all"`.
        name: Name of the layer.

    Raises:
        ValueError: If a threshold is on the other side of one half, or the
            mean unknown.
    """

    traced_attributes = ("mean", "up", "down")

    def __init__(self, up=0.95, down=0.05, mean="all", name=None):
        super().__init__(mean, name)
        self.up = _thresholds("up", up, 0.5, 1.0)
        self.down = _thresholds("down", down, 0.0, 0.5)

    def row_weights(self, context, beliefs):
        """1 for the answers that count, else 0; see `Selection.row_weights`."""
        yes = beliefs.probabilities[..., 1]
        return tf.cast((yes >= self.up) | (yes <= self.down), tf.float32)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"up": self.up, "down": self.down, "mean": self.mean}


def _thresholds(name, given, least, most):
    """A float, or a tuple of one per class."""
    several = isinstance(given, (list, tuple)) or getattr(given, "ndim", 0)
    found = tuple(
        finite(name, value) for value in (given if several else [given])
    )
    if not all(least <= value <= most for value in found):
        raise ValueError(
            f"`{name}` is a probability in [{least:g}, {most:g}], as yes is "
            f"what is likelier than no; got {given!r}."
        )
    return found if several else found[0]
