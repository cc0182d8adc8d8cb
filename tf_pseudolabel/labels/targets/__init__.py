"""What the loss compares with, one target per file."""

from tf_pseudolabel.labels.targets.hard import Hard
from tf_pseudolabel.labels.targets.multi_hot import MultiHot
from tf_pseudolabel.labels.targets.sharpened import Sharpened
from tf_pseudolabel.labels.targets.soft import Soft
from tf_pseudolabel.labels.targets.target import Target

__all__ = ["Hard", "MultiHot", "Sharpened", "Soft", "Target"]
