"""What is made of the beliefs: the target that the loss compares with."""

from tf_pseudolabel.part import Part


class Target(Part):
    """Makes pseudo-labels of the form that the labeled stream's labels have."""

    # Whether they are distributions, which class ids cannot hold.
    distributions = True
    # Whether a row has a label for every output, and not one of the classes.
    multi_label = False

    def labels(self, beliefs, like):
        """Makes the pseudo-labels.

        Args:
            beliefs: The update's `Beliefs`: scores, probabilities (`raw` ones
                and aligned ones) and class ids.
            like: The labeled stream's labels, which decide the form: class ids
                or one value per class.

        Returns:
            A tensor with the form and the dtype of `like`.
        """
        raise TypeError(
            f"{type(self).__name__} must define labels(beliefs, like)."
        )
