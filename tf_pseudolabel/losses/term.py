"""What every term of the loss on unlabeled rows has in common."""

from tf_pseudolabel.part import Number, Part, at_least_zero, named_after


class Term(Part):
    """One summand of `labeled loss + alpha · sum of terms`.

    A term is the mean of something over rows; over replicas, of the rows of
    all. A subclass says what is summed and what the mean divides by, and may
    make something else of the mean.

    Args:
        weight: Float, at least 0: how much of it is added. May be changed
            while it trains.
        name: The name that its mean is logged by.

    Raises:
        ValueError: If the weight is negative or not finite.
    """

    weight = Number(at_least_zero("weight"))

    # Whether it compares student and teacher, of which each has a pass then,
    # with dropout of its own, also where both see the same view.
    compares = False

    def __init__(self, weight=1.0, name=None):
        super().__init__(name=name)
        self.weight = weight

    def sums(self, context):
        """What is summed over the rows of this replica, and what divides it.

        Args:
            context: The update's `Context`.

        Returns:
            A float32 tensor of any known shape, and a float32 scalar.
        """
        raise TypeError(f"{type(self).__name__} must define sums(context).")

    # A method from the mean over all replicas, a float32 tensor like the first
    # one of `sums`, to the term, a scalar. None: the mean is the term.
    of_mean = None

    def get_config(self):
        """Returns the constructor's arguments."""
        config = {"weight": self.weight}
        # Two terms of one class are told apart by it.
        if self.name != named_after(type(self)):
            config["name"] = self.name
        return config
