"""Between soft and hard."""

import tensorflow as tf

from tf_pseudolabel.labels import forms
from tf_pseudolabel.labels.targets.target import Target
from tf_pseudolabel.part import Number
from tf_pseudolabel.registry import Flag, register


def _sharpens(temperature):
    if not 0 < temperature <= 1:
        raise ValueError(
            "A temperature that sharpens is above 0 and at most 1; got "
            f"{temperature}. 1 leaves the probabilities as they are."
        )


@register(
    "target",
    "sharpened",
    help="to the power 1/temperature",
    flags=[
        Flag(
            "temperature",
            0.5,
            "sharpened: below 1 is sharper",
            least=0.01,
            most=1,
        )
    ],
    says="sharpened with temperature {temperature:g}",
    order=2,
)
class Sharpened(Target):
    """Probabilities raised to 1/temperature and normalized again.

    Between soft (temperature 1) and hard (towards 0): Berthelot et al.,
    "MixMatch", NeurIPS 2019, equation 7. For outputs that sum to 1, and labels
    that are one float per class; or for a single sigmoid output, whose yes and
    no sum to 1.

    Args:
        temperature: Float above 0, at most 1. May be changed while it trains.
            MixMatch uses 0.5, the default.
        name: Name of the layer.

    Raises:
        ValueError: If the temperature is outside (0, 1].
    """

    temperature = Number(_sharpens)

    def __init__(self, temperature=0.5, name=None):
        super().__init__(name=name)
        self.temperature = temperature

    def labels(self, beliefs, like):
        """Makes the pseudo-labels; see `Target.labels`."""
        # In logarithms: p^20 underflows.
        logs = tf.math.log(tf.maximum(beliefs.probabilities, 1e-30))
        return forms.distributed(tf.nn.softmax(logs / self.temperature), like)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"temperature": self.temperature}
