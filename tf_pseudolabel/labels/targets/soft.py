"""The probabilities as they are."""

import tensorflow as tf

from tf_pseudolabel.labels.targets.target import Target
from tf_pseudolabel.registry import register


@register("target", "soft", help="probabilities", says="soft", order=1)
class Soft(Target):
    """The probabilities themselves, as in Arazo et al. (2020).

    The labels of the labeled stream must be one float per class, one-hot.
    """

    def labels(self, beliefs, like):
        """Makes the pseudo-labels; see `Target.labels`."""
        return tf.cast(beliefs.probabilities, like.dtype)
