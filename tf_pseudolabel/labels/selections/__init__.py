"""Which rows count and how much, one selection per file."""

from tf_pseudolabel.labels.selections.curriculum import Curriculum
from tf_pseudolabel.labels.selections.every import All
from tf_pseudolabel.labels.selections.gaussian import Gaussian
from tf_pseudolabel.labels.selections.inliers import Inliers
from tf_pseudolabel.labels.selections.loss_threshold import LossThreshold
from tf_pseudolabel.labels.selections.relative import Relative
from tf_pseudolabel.labels.selections.selection import Selection
from tf_pseudolabel.labels.selections.self_adaptive import SelfAdaptive
from tf_pseudolabel.labels.selections.threshold import Threshold
from tf_pseudolabel.labels.selections.top_share import TopShare
from tf_pseudolabel.labels.selections.two_sided import TwoSided

__all__ = [
    "All",
    "Curriculum",
    "Gaussian",
    "Inliers",
    "LossThreshold",
    "Relative",
    "Selection",
    "SelfAdaptive",
    "Threshold",
    "TopShare",
    "TwoSided",
]
