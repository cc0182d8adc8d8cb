"""The network itself, dropout off."""

from tf_pseudolabel.labels.teachers.teacher import Teacher


class Inference(Teacher):
    """The network itself, in a pass of its own in inference mode: dropout off.

    Lee's choice (2013): labels are made anew at every update.
    """
