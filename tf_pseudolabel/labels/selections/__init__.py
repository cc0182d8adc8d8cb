"""Which rows count and how much, one selection per file."""

from tf_pseudolabel.labels.selections.every import All
from tf_pseudolabel.labels.selections.selection import Selection
from tf_pseudolabel.labels.selections.threshold import Threshold
from tf_pseudolabel.labels.selections.top_share import TopShare
from tf_pseudolabel.labels.selections.two_sided import TwoSided

__all__ = ["All", "Selection", "Threshold", "TopShare", "TwoSided"]
