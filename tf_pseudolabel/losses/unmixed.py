"""The loss of rows as they were before they were mixed."""

from tf_pseudolabel.losses import rows
from tf_pseudolabel.losses.term import Term
from tf_pseudolabel.registry import Flag, register


@register(
    "term",
    "unmixed",
    flags=[
        Flag(
            "unmixed",
            0.0,
            "weight of the loss of unlabeled rows before mixup, times alpha; "
            "0: none",
            least=0,
            argument="weight",
        )
    ],
    says="the loss of unlabeled rows before mixup weighed {unmixed:g}",
    order=3,
)
class Unmixed(Term):
    """The compiled loss of unlabeled rows that mixup has not touched.

    In a pass of its own, in training mode, which moves no statistics: the
    pre-mixup term of Berthelot et al., "ReMixMatch", ICLR 2020, section 3.4.

    Args:
        weight: Float, at least 0. Defaults to 1.
        name: The name that it is logged by.
    """

    def sums(self, context):
        """The losses, summed; see `Term.sums`."""
        if context.unmixed is None:
            raise ValueError(
                "Unmixed is the loss of rows before mixup; got mixup=0. Leave "
                "it out, or give a strength of mixup."
            )
        batch = context.unmixed
        scores = context.forward(batch.student, moving=False)
        losses = rows.values(context.loss, batch.y, scores)
        return rows.summed(context.loss, losses, context, batch)
