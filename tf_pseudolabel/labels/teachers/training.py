"""The very scores that the loss uses."""

from tf_pseudolabel.labels.teachers.teacher import Teacher
from tf_pseudolabel.registry import register


@register(
    "teacher",
    "training",
    help="the pass of the loss",
    says="made by the pass that the loss uses",
    order=1,
)
class Training(Teacher):
    """The scores that the loss itself uses: one forward pass less."""

    in_pass = True

    def scores(self, context):
        """Returns None: there are no scores before the pass of the loss.

        Where the student sees another view, the teacher has a pass of its own
        over the weak one, in training mode (FixMatch); so where both are
        compared (Pi-model); and where rows are mixed, before they are
        (MixMatch).
        """
        if context.one_pass and context.method.mixup is None:
            return None
        return self.scores_of(context, context.unlabeled.x)

    def scores_of(self, context, x):
        """Makes the scores in training mode; see `Teacher.scores_of`."""
        return context.forward(x, moving=False)
