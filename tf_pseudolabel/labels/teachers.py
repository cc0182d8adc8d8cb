"""Whose output is believed: the source of the scores behind a pseudo-label."""

import keras

from tf_pseudolabel.configured import Configured


class Teacher(Configured):
    """Where the scores behind pseudo-labels come from."""

    def scores(self, model, x):
        """Makes the scores that are believed.

        Args:
            model: The `PseudoLabelModel` under training.
            x: A batch of unlabeled inputs.

        Returns:
            Float tensor `(batch, ..., classes)`; None for those of the pass
            that the loss uses.
        """
        raise TypeError(f"{type(self).__name__} must define scores(model, x).")

    def begin(self, classifier, epoch):
        """Called when a call of `fit` begins, before anything is restored.

        Args:
            classifier: A built `keras.Model`.
            epoch: The epoch that it begins with, from 0.
        """

    def end_epoch(self, classifier, epoch):
        """Called at the end of every epoch, before other callbacks.

        Args:
            classifier: A built `keras.Model`.
            epoch: The epoch, from 0.
        """


@keras.saving.register_keras_serializable(package="tf_pseudolabel")
class Inference(Teacher):
    """The network itself, in a pass of its own in inference mode: dropout off.

    Lee's choice: labels are made anew at every update.
    """

    def scores(self, model, x):
        """Makes the scores; see `Teacher.scores`."""
        return model(x, training=False)


@keras.saving.register_keras_serializable(package="tf_pseudolabel")
class Training(Teacher):
    """The scores that the loss itself uses: one forward pass less."""

    def scores(self, model, x):
        """Returns None: there are no scores before the pass of the loss."""
        return None


@keras.saving.register_keras_serializable(package="tf_pseudolabel")
class Lagged(keras.layers.Layer, Teacher):
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
        **kwargs: As for every `keras.layers.Layer`.

    Raises:
        ValueError: If `every` is less than 1.
    """

    def __init__(self, every=1, **kwargs):
        super().__init__(**{"trainable": False, **kwargs})
        if every < 1:
            raise ValueError(
                "`every` counts epochs between two labelings, at least 1; got "
                f"{every}."
            )
        self.every = every
        self._copies = []

    def begin(self, classifier, epoch):
        """Copies the weights, unless training goes on with labels it has."""
        if not self._copies:
            self._make_copies(classifier)
        elif epoch > 0:
            return
        self._copy(classifier)

    def end_epoch(self, classifier, epoch):
        """Copies the weights, if it is time."""
        if (epoch + 1) % self.every == 0:
            self._copy(classifier)

    def _make_copies(self, classifier):
        self._copies = [
            self.add_weight(
                shape=variable.shape,
                dtype=variable.dtype,
                initializer="zeros",
                trainable=False,
                autocast=False,
                aggregation="only_first_replica",
                name=f"copy_{number}",
            )
            for number, variable in enumerate(classifier.weights)
        ]
        self.built = True

    def _copy(self, classifier):
        """Copies the weights, the statistics of batch normalization, too."""
        for copy, variable in zip(
            self._copies, classifier.weights, strict=True
        ):
            copy.assign(variable)

    def scores(self, model, x):
        """Makes the scores; see `Teacher.scores`."""
        weights = model.classifier.weights
        with keras.StatelessScope(
            list(zip(weights, self._copies, strict=True))
        ):
            return model(x, training=False)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "every": self.every}


TEACHERS = {"inference": Inference, "training": Training, "lagged": Lagged}
