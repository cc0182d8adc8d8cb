"""The probabilities as they are."""

from tf_pseudolabel.labels import forms
from tf_pseudolabel.labels.targets.target import Target
from tf_pseudolabel.registry import register


@register("target", "soft", help="probabilities", says="soft", order=1)
class Soft(Target):
    """The probabilities themselves, as in Arazo et al. (2020).

    The labels of the labeled stream must be one float per class, one-hot; of a
    single sigmoid output they may be of any kind.
    """

    def labels(self, beliefs, like):
        """Makes the pseudo-labels; see `Target.labels`."""
        return forms.distributed(beliefs.probabilities, like)
