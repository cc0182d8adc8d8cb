"""What is corrected in the teacher's probabilities, one alignment per file."""

from tf_pseudolabel.labels.alignments.alignment import Alignment

__all__ = ["Alignment"]
