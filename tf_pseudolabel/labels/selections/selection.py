"""Which unlabeled rows count, and over which of them the loss is averaged."""

from tf_pseudolabel.part import Part

MEANS = ("all", "accepted")


class Selection(Part):
    """Says how much every unlabeled row counts.

    Args:
        mean: What the loss of the rows that count is divided by. `"all"`: the
            number of all unlabeled rows of the batch, so that the term is small
            while few count. `"accepted"`: the sum of their weights, so that
            each weighs the same however few they are. Either is counted over
            the global batch where there are several replicas.
        name: Name of the layer.

    Raises:
        ValueError: If the mean is unknown.
    """

    traced_attributes = ("mean",)

    def __init__(self, mean="all", name=None):
        super().__init__(name=name)
        if mean not in MEANS:
            raise ValueError(
                f"`mean` is one of {', '.join(MEANS)}; got {mean!r}."
            )
        self.mean = mean

    def row_weights(self, context, beliefs):
        """Says how much each row counts.

        State that is to be moved before it is used is moved here; after use, in
        `after_update`.

        Args:
            context: The update's `Context`.
            beliefs: Its `Beliefs` so far: scores, probabilities and class ids.

        Returns:
            Float32 tensor `(batch, ...)` in [0, 1]; None: every row counts 1.
        """
        raise TypeError(
            f"{type(self).__name__} must define row_weights(context, beliefs)."
        )

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"mean": self.mean}
