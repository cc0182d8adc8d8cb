"""The network as it was some epochs ago."""

import keras

from tf_pseudolabel.labels.teachers.teacher import Teacher
from tf_pseudolabel.registry import Flag, register


@register(
    "teacher",
    "lagged",
    help="as it was when the epoch began",
    flags=[
        Flag(
            "lag_epochs",
            1,
            "lagged: epochs from one labeling to the next",
            least=1,
            argument="every",
        )
    ],
    says="made by an earlier network (lag_epochs {lag_epochs})",
    order=2,
)
class Lagged(Teacher):
    """The network as it was when the epoch began, or some epochs before.

    In inference mode. For inputs that stay as they are, these are the labels
    that one inference pass over all unlabeled rows would make between two
    epochs: a copy of the weights takes the place of a table of labels, whatever
    the rows are called and wherever they are stored. For labels made once per
    epoch: Arazo et al.,
    "Pseudo-Labeling and Confirmation Bias in Deep Semi-Supervised Learning",
    IJCNN 2020.

    Args:
        every: Int, at least 1: epochs from one labeling to the next. Defaults
            to 1.
        name: Name of the layer.

    Raises:
        ValueError: If `every` is less than 1.
    """

    def __init__(self, every=1, name=None):
        super().__init__(name=name)
        if not every >= 1:
            raise ValueError(
                "`every` counts epochs between two labelings, at least 1; got "
                f"{every}."
            )
        self.every = every
        self._copies = []

    def build(self, spec):
        """Makes room for a copy of every weight; see `Part.build`."""
        self._copies = self.copies_of(spec.classifier.weights)
        # Saved, so that training which goes on elsewhere keeps its labels.
        self._filled = self.state("filled")

    def begin(self, progress):
        """Copies the weights, unless training goes on with labels it has."""
        if progress.epoch == 0 or not float(self._filled.numpy()):
            self._copy(progress.classifier)
            self._filled.assign(1.0)

    def follow(self, classifier):
        """Copies the weights, as long as no training did; see `Teacher`."""
        if not float(self._filled.numpy()):
            self._copy(classifier)

    def end_epoch(self, progress):
        """Copies the weights, if it is time."""
        if (progress.epoch + 1) % self.every == 0:
            self._copy(progress.classifier)

    def _copy(self, classifier):
        """Copies the weights, the statistics of batch normalization, too."""
        for copy, variable in zip(
            self._copies, classifier.weights, strict=True
        ):
            copy.assign(variable)

    def label(self, classifier, x):
        """Makes the scores by the copied weights; see `Teacher.label`."""
        copies = list(zip(classifier.weights, self._copies, strict=True))
        with keras.StatelessScope(copies):
            return classifier(x, training=False)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"every": self.every}
