"""What is minimized, one term per file, with the paper it comes from."""

from tf_pseudolabel.losses.brier import Brier
from tf_pseudolabel.losses.class_prior import ClassPrior
from tf_pseudolabel.losses.conditional_entropy import ConditionalEntropy
from tf_pseudolabel.losses.consistency import Consistency
from tf_pseudolabel.losses.debiased_loss import DebiasedLoss
from tf_pseudolabel.losses.fairness import Fairness
from tf_pseudolabel.losses.logit_adjusted import LogitAdjusted
from tf_pseudolabel.losses.minimum_entropy import MinimumEntropy
from tf_pseudolabel.losses.summed_binary_crossentropy import (
    SummedBinaryCrossentropy,
)
from tf_pseudolabel.losses.term import Term
from tf_pseudolabel.losses.unmixed import Unmixed
from tf_pseudolabel.losses.virtual_adversarial import VirtualAdversarial

__all__ = [
    "Brier",
    "ClassPrior",
    "ConditionalEntropy",
    "Consistency",
    "DebiasedLoss",
    "Fairness",
    "LogitAdjusted",
    "MinimumEntropy",
    "SummedBinaryCrossentropy",
    "Term",
    "Unmixed",
    "VirtualAdversarial",
]
