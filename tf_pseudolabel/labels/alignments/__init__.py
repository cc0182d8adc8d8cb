"""What is corrected in the teacher's probabilities, one alignment per file."""

from tf_pseudolabel.labels.alignments.alignment import Alignment
from tf_pseudolabel.labels.alignments.debiased import DebiasedAlignment
from tf_pseudolabel.labels.alignments.distribution import DistributionAlignment
from tf_pseudolabel.labels.alignments.relative import RelativeAlignment
from tf_pseudolabel.labels.alignments.uniform import UniformAlignment

__all__ = [
    "Alignment",
    "DebiasedAlignment",
    "DistributionAlignment",
    "RelativeAlignment",
    "UniformAlignment",
]
