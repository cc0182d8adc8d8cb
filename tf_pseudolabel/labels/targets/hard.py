"""One class."""

from tf_pseudolabel.labels import forms
from tf_pseudolabel.labels.targets.target import Target
from tf_pseudolabel.registry import register


@register("target", "hard", help="one class", says="hard")
class Hard(Target):
    """The class with the largest score: Lee's pseudo-label (equation 14)."""

    distributions = False

    def labels(self, beliefs, like):
        """Makes the pseudo-labels; see `Target.labels`."""
        return forms.encoded(beliefs.ids, like, beliefs.probabilities)
