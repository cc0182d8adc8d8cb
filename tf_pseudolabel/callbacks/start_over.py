"""Self-training offline: a new network for every new set of labels."""

import warnings

import keras


class StartOver(keras.callbacks.Callback):
    """Puts network and optimizer back to the start, every so many epochs.

    With the teacher `Lagged(every)` this is self-training in its offline form:
    train, label everything once, train a network again on both. The network
    begins with the same initial weights each time, and the optimizer with
    nothing gathered and its schedules at their beginning, and so does an
    average of the weights, unless it is the teacher. Belongs behind
    callbacks that look at the network at the end of an epoch, and before those
    that save the state.

    Args:
        every: Int, at least 1: epochs of a round.
        epochs: Int: epochs in all. The last of them leaves what was trained.

    Raises:
        ValueError: If `every` is less than 1.
    """

    def __init__(self, every, epochs):
        super().__init__()
        if every < 1:
            raise ValueError(
                "`every` counts the epochs of a round, at least 1; got "
                f"{every}."
            )
        self.every = every
        self.epochs = epochs
        self._initial = self._of = None
        self._trained = 0

    def on_train_begin(self, logs=None):
        """Remembers the start, the first time that it sees a model."""
        if self._of is not self.model:
            self._of = self.model
            self._initial = [v.numpy() for v in self._variables()]
            self._trained = int(self.model.updates.numpy())

    def on_epoch_begin(self, epoch, logs=None):
        """Says so where a training goes on whose start it has not seen."""
        if epoch and self._trained:
            warnings.warn(
                "StartOver goes back to the weights that it sees first: those "
                f"after {self._trained} updates, as training goes on in epoch "
                f"{epoch}. Give this fit the callback that the first one had.",
                stacklevel=2,
            )
        self._trained = 0

    def on_epoch_end(self, epoch, logs=None):
        """Goes back to the start, if a round ends and another one follows."""
        if (epoch + 1) % self.every == 0 and epoch + 1 < self.epochs:
            for variable, value in zip(
                self._variables(), self._initial, strict=True
            ):
                variable.assign(value)

    def _variables(self):
        model = self.model
        variables = [*model.classifier.weights, *model.optimizer.variables]
        if model.averaged not in (None, model.teacher):
            # The average of a round; a teacher's goes on labeling.
            variables += model.averaged.weights
        return variables
