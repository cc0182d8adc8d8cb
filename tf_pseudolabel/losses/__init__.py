"""What is minimized, one term per file, with the paper it comes from."""

from tf_pseudolabel.losses.class_prior import ClassPrior
from tf_pseudolabel.losses.conditional_entropy import ConditionalEntropy
from tf_pseudolabel.losses.minimum_entropy import MinimumEntropy
from tf_pseudolabel.losses.summed_binary_crossentropy import (
    SummedBinaryCrossentropy,
)
from tf_pseudolabel.losses.term import Term

__all__ = [
    "ClassPrior",
    "ConditionalEntropy",
    "MinimumEntropy",
    "SummedBinaryCrossentropy",
    "Term",
]
