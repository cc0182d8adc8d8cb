"""The network itself, dropout off."""

from tf_pseudolabel.labels.teachers.teacher import Teacher
from tf_pseudolabel.registry import register


@register(
    "teacher",
    "inference",
    help="a pass of its own, dropout off",
    says="made by the network in inference mode",
)
class Inference(Teacher):
    """The network itself, in a pass of its own in inference mode: dropout off.

    Lee's choice (2013): labels are made anew at every update.
    """
