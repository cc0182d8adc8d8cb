"""The loss that pseudo-labels are for (Lee 2013, equation 15, second term)."""

from tf_pseudolabel.losses import rows
from tf_pseudolabel.losses.term import Term


class PseudoLabelLoss(Term):
    """A Keras loss of pseudo-labels and the student's scores.

    The mean is over all unlabeled rows that are there or, where the selection
    says `mean="accepted"`, over those that count.

    Args:
        loss: A `keras.losses.Loss`.
    """

    weight = 1.0

    def __init__(self, loss):
        super().__init__(name="pseudo_label_loss")
        self.loss = loss

    def sums(self, context):
        """The losses, summed; see `Term.sums`."""
        return rows.loss_of_pseudo_labels(self.loss, context)
