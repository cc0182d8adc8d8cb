"""What the literature calls "pseudo-label", by name.

    preset = tpl.presets.usb_pl(epochs=100)
    model = tpl.PseudoLabelModel(classifier, **preset.model)
    scheduler = tpl.AlphaScheduler(preset.schedule)

A preset says how pseudo-labels are made and weighed. Networks, optimizers,
augmentations and averaged weights, which the papers also differ in, are the
user's.
"""

import typing

from tf_pseudolabel import registry
from tf_pseudolabel.labels.selections import Threshold
from tf_pseudolabel.losses import ClassPrior, MinimumEntropy
from tf_pseudolabel.schedules import (
    Constant,
    LinearRamp,
    Schedule,
    SigmoidRamp,
)


class Preset(typing.NamedTuple):
    """One way to make pseudo-labels and to weigh them.

    Attributes:
        model: Dict of keyword arguments of `PseudoLabelModel`.
        schedule: A `Schedule` of the epoch, for `AlphaScheduler`.
        batches: Rows per labeled and unlabeled batch, where the method says.
        learning_rate: What the paper's learning rate is multiplied by while
            alpha is 0, and from then on: a loss that is a multiple of the
            paper's wants smaller steps.
        views: Whether teacher and student see views of their own.
    """

    model: dict
    schedule: Schedule
    batches: tuple[int, int] | None = None
    learning_rate: tuple[float, float] = (1.0, 1.0)
    views: bool = False


def lee2013(epochs):
    """The method as published: hard labels of all rows, made at every update.

    alpha rises to 3 from a sixth of the epochs until their end. Lee has T1 =
    100 and T2 = 600 and does not say how many epochs there are; the rise is
    taken for all of the training, so that a shorter one has its share of it.

    Source: Lee, "Pseudo-Label: The Simple and Efficient Semi-Supervised
    Learning Method for Deep Neural Networks", ICML 2013 Workshop on Challenges
    in Representation Learning, equations 14 to 16.

    Args:
        epochs: Int: epochs of the training.

    Returns:
        A `Preset`.
    """
    return Preset({}, LinearRamp(t1=epochs / 6, t2=epochs, alpha_f=3.0))


def oliver2018(epochs):
    """The baseline of "realistic evaluation": a threshold, one joint pass.

    Rows count from a confidence of 0.95 on, in the mean over all rows; one
    pass over both batches gives labels, loss and batch statistics; alpha rises
    to 1 along exp(-5 (1 - x)^2) over the first 40 % of the epochs (200,000 of
    500,000 updates there).

    Their code divides both losses by the rows of both batches: with batches of
    equal size, as there, that is half of the loss here. Its pseudo-labels are
    softmax(10 one-hot), 0.9996 instead of 1 for ten classes.

    Source: Oliver et al., "Realistic Evaluation of Deep Semi-Supervised
    Learning Algorithms", NeurIPS 2018, and brain-research/
    realistic-ssl-evaluation, `lib/ssl_framework.py`, `lib/hparams.py`.

    Args:
        epochs: Int: epochs of the training.

    Returns:
        A `Preset`.
    """
    model = {
        "teacher": "training",
        "selection": Threshold(0.95, mean="all"),
        "batch_norm": "joint",
    }
    return Preset(model, SigmoidRamp(t1=0, t2=0.4 * epochs, alpha_f=1.0))


def usb_pl(epochs):
    """USB's `pseudolabel`, and FixMatch's baseline: a threshold, BN on labels.

    Rows count from a confidence of 0.95 on, in the mean over all rows; the
    labels are those of the pass that the loss uses; moving statistics follow
    the labeled batches; alpha rises linearly to 1 over the first 40 % of the
    epochs.

    The pseudo-label baseline of FixMatch (Sohn et al., NeurIPS 2020, and
    google-research/fixmatch, `pseudo_label.py`) means to be the same. Its code
    multiplies losses of shape `(n,)` with a mask of shape `(n, 1)`, so that the
    mean is that of the losses times that of the mask; here every row has its
    own mask, as its comments say.

    Source: Wang et al., "USB: A Unified Semi-supervised Learning Benchmark for
    Classification", NeurIPS 2022, and microsoft/Semi-supervised-learning,
    `semilearn/algorithms/pseudolabel/pseudolabel.py`.

    Args:
        epochs: Int: epochs of the training.

    Returns:
        A `Preset`.
    """
    model = {
        "teacher": "training",
        "selection": Threshold(0.95, mean="all"),
        "batch_norm": "labeled",
    }
    return Preset(model, LinearRamp(t1=0, t2=0.4 * epochs, alpha_f=1.0))


def arazo2020(epochs, labeled_batch=16, unlabeled_batch=84):
    """Soft labels made once per epoch, mixup, and two terms against collapse.

    Soft labels of the network as it was when the epoch began; mixup of
    strength 1 between all rows of an update; at least 16 of 100 rows labeled;
    one pass over both batches; class prior and entropy terms, weighed 0.8 and
    0.4. The first 10 epochs see the labels alone.

    Arazo et al. take one mean over the rows of both batches. Here each batch
    has its own mean: from epoch 10 on, alpha and the terms are weighed so that
    the loss is theirs times (labeled + unlabeled) / labeled rows, by which
    `learning_rate` divides the rate.

    What differs: they gather the labels during the epoch before, in training
    mode without dropout; here they come from one network in inference mode.
    Their first 10 epochs have batches of as many rows, all labeled, mixup and
    both terms; here they have the labeled part of a batch and neither. The
    strength of mixup is the default of their code, which their scripts for
    CIFAR-10, CIFAR-100 and Mini-ImageNet leave as it is.

    Labels must be one float per class, one-hot, with a softmax loss.

    Source: Arazo et al., "Pseudo-Labeling and Confirmation Bias in Deep
    Semi-Supervised Learning", IJCNN 2020, and EricArazo/PseudoLabeling,
    `utils_pseudoLab/utils_ssl.py`, `cifar10/train.py` (`--Mixup_Alpha`),
    `cifar10/RunScripts_SOTA500.sh`.

    Args:
        epochs: Int: epochs of the training; not used.
        labeled_batch: Int: labeled rows per update. Defaults to 16.
        unlabeled_batch: Int: unlabeled rows per update. Defaults to 84.

    Returns:
        A `Preset`.
    """
    del epochs
    rows = labeled_batch + unlabeled_batch
    scale = rows / unlabeled_batch
    model = {
        "teacher": "lagged",
        "target": "soft",
        "batch_norm": "joint",
        "mixup": 1.0,
        # Alpha multiplies them, too: rows / labeled_batch in all.
        "terms": [ClassPrior(0.8 * scale), MinimumEntropy(0.4 * scale)],
    }
    return Preset(
        model,
        LinearRamp(t1=10, t2=10, alpha_f=unlabeled_batch / labeled_batch),
        (labeled_batch, unlabeled_batch),
        learning_rate=(1.0, labeled_batch / rows),
    )


def fixmatch(epochs=None, views=None):
    """Labels of a weak view, where they are sure, for a strong view.

    The network in training mode, on the weak view, makes hard labels; rows
    count from a confidence of 0.95 on, in the mean over all rows; the loss is
    of the strong view; one pass over all rows gives labels, loss and batch
    statistics; alpha is 1 throughout, as the threshold keeps early labels out.

    The paper's training is the user's to choose: 64 labeled and 448 unlabeled
    rows, SGD of rate 0.03 with Nesterov momentum 0.9, a rate that falls along
    cos(7 pi t / 16), weight decay 0.0005, and an average of the weights, with
    decay 0.999, for evaluation (`Averaged`).

    Source: Sohn et al., "FixMatch: Simplifying Semi-Supervised Learning with
    Consistency and Confidence", NeurIPS 2020, and google-research/fixmatch,
    `fixmatch.py`.

    Args:
        epochs: Int: epochs of the training; not used.
        views: `Views`: `tpl.views.images(size)` for example. Defaults to None:
            the unlabeled stream brings both.

    Returns:
        A `Preset`.
    """
    del epochs
    model = {
        "teacher": "training",
        "selection": Threshold(0.95, mean="all"),
        "batch_norm": "joint",
        "views": views,
    }
    return Preset(model, Constant(1.0), (64, 448), views=True)


PRESETS = {name: globals()[name] for name in registry.presets()}
