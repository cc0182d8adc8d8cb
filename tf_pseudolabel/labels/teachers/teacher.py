"""Whose output is believed: the source of the scores behind a pseudo-label."""

from tf_pseudolabel.part import Part


class Teacher(Part):
    """Where the scores behind pseudo-labels come from."""

    # Whether its scores are those of the pass that the loss uses.
    in_pass = False

    def scores(self, context):
        """Makes the scores that are believed, of an update's unlabeled rows.

        Args:
            context: The update's `Context`: `context.unlabeled.x` is what the
                teacher sees.

        Returns:
            Float tensor `(batch, ..., classes)`; None for those of the pass
            that the loss uses. Gradients are stopped by the caller.
        """
        return self.scores_of(context, context.unlabeled.x)

    def scores_of(self, context, x):
        """Makes the scores of any rows, in a pass of its own.

        Args:
            context: The update's `Context`.
            x: A batch of inputs.

        Returns:
            Float tensor `(batch, ..., classes)`.
        """
        classifier = context.classifier
        if context.spare is None:
            return self.label(classifier, x)
        return context.passed(lambda rows: self.label(classifier, rows), x)

    def label(self, classifier, x):
        """Makes the scores of rows outside of an update.

        Args:
            classifier: The `keras.Model` under training.
            x: A batch of inputs.

        Returns:
            Float tensor `(batch, ..., classes)`. Defaults to those of the
            network in inference mode.
        """
        return classifier(x, training=False)

    def follow(self, classifier):
        """Takes weights as they are, as long as it has seen no training.

        Args:
            classifier: The `keras.Model` under training.
        """

    def copies_of(self, variables):
        """Makes a weight like each of some variables, for another value of it.

        Args:
            variables: List of `keras.Variable`s.

        Returns:
            A list of weights of this part, zero at first.
        """
        return [
            self.add_weight(
                shape=variable.shape,
                dtype=variable.dtype,
                initializer="zeros",
                trainable=False,
                autocast=False,
                aggregation="only_first_replica",
                name=f"copy_{number}",
            )
            for number, variable in enumerate(variables)
        ]
