"""What the literature calls "pseudo-label", by name.

    preset = tpl.presets.usb_pl(epochs=100)
    model = tpl.PseudoLabelModel(classifier, **preset.model)
    scheduler = tpl.AlphaScheduler(preset.schedule)

A preset says how pseudo-labels are made and weighed. Networks, optimizers,
augmentations and averaged weights, which the papers also differ in, are the
user's.
"""

import math
import typing

from tf_pseudolabel import registry
from tf_pseudolabel.labels.alignments import (
    DistributionAlignment,
    RelativeAlignment,
)
from tf_pseudolabel.labels.selections import (
    Curriculum,
    Gaussian,
    Relative,
    SelfAdaptive,
    Threshold,
)
from tf_pseudolabel.labels.targets import Sharpened
from tf_pseudolabel.labels.teachers import Averaged, Lagged
from tf_pseudolabel.losses import (
    Brier,
    ClassPrior,
    Consistency,
    Fairness,
    MinimumEntropy,
    Unmixed,
    VirtualAdversarial,
)
from tf_pseudolabel.schedules import (
    Constant,
    CosineRamp,
    LinearRamp,
    Schedule,
    SigmoidRamp,
)
from tf_pseudolabel.update.mixup import Mixup


class Preset(typing.NamedTuple):
    """One way to make pseudo-labels and to weigh them.

    Attributes:
        model: Dict of keyword arguments of `PseudoLabelModel`.
        schedule: A `Schedule` of the epoch, for `AlphaScheduler`.
        batches: Rows per labeled and unlabeled batch, where the method says.
        learning_rate: What the paper's learning rate is multiplied by while
            alpha is 0, and from then on: a loss that is a multiple of the
            paper's wants smaller steps.
        views: Dict of arguments of views that suit the data, such as those of
            `tpl.views.images`, where teacher and student see views of their
            own; None: they see rows as they are.
        restart_epochs: Epochs after which training starts over from the initial
            weights, for `StartOver`; None: it does not.
    """

    model: dict
    schedule: Schedule
    batches: tuple[int, int] | None = None
    learning_rate: tuple[float, float] = (1.0, 1.0)
    views: dict | None = None
    restart_epochs: int | None = None


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
    cos(7 pi t / 16), and weight decay 0.0005. What is evaluated is an average
    of the weights with decay 0.999, which here follows fast at first.

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
        "average": Averaged(0.999),
    }
    return Preset(model, Constant(1.0), (64, 448), views={})


def flexmatch(epochs=None, views=None, rows=None):
    """FixMatch with a threshold for each class, by how well it is learned.

    As `fixmatch`, with the selection `Curriculum`, whose threshold is lower for
    classes of which fewer rows were ever sure.

    Source: Zhang et al., "FlexMatch: Boosting Semi-Supervised Learning with
    Curriculum Pseudo Labeling", NeurIPS 2021, and TorchSSL,
    `models/flexmatch/flexmatch.py`.

    Args:
        epochs: Int: epochs of the training; not used.
        views: As for `fixmatch`.
        rows: Int: how many unlabeled rows there are; their stream numbers
            them, as `tpl.from_arrays(..., numbered=True)` does.

    Returns:
        A `Preset`.
    """
    return _like_fixmatch(epochs, views, selection=Curriculum(0.95, rows))


def freematch(epochs=None, views=None):
    """FixMatch with thresholds that adapt themselves, and fairness.

    As `fixmatch`, with the selection `SelfAdaptive` and the term `Fairness`,
    weighed 0.01 (0.05 in the paper where labels are fewest; USB: 0.001).

    Source: Wang et al., "FreeMatch: Self-adaptive Thresholding for
    Semi-supervised Learning", ICLR 2023, and microsoft/
    Semi-supervised-learning, `semilearn/algorithms/freematch`.

    Args:
        epochs: Int: epochs of the training; not used.
        views: As for `fixmatch`.

    Returns:
        A `Preset`.
    """
    return _like_fixmatch(
        epochs, views, selection=SelfAdaptive(), terms=[Fairness(0.01)]
    )


def softmatch(epochs=None, views=None):
    """FixMatch with a Gaussian weight in place of a threshold.

    As `fixmatch`, with the selection `Gaussian`.

    Source: Chen et al., "SoftMatch: Addressing the Quantity-Quality Trade-off
    in Semi-supervised Learning", ICLR 2023, and microsoft/
    Semi-supervised-learning, `semilearn/algorithms/softmatch`.

    Args:
        epochs: Int: epochs of the training; not used.
        views: As for `fixmatch`.

    Returns:
        A `Preset`.
    """
    return _like_fixmatch(epochs, views, selection=Gaussian())


def adamatch(epochs, views=None):
    """FixMatch, aligned and with a threshold relative to labeled rows.

    As `fixmatch`, with `RelativeAlignment` and the selection `Relative`; alpha
    rises along half a cosine in the first half of the epochs.

    What differs: in the paper labeled rows have a strong view, too, and their
    logits are mixed at random with those of a pass without unlabeled rows,
    which USB leaves out as well.

    Source: Berthelot et al., "AdaMatch: A Unified Approach to Semi-Supervised
    Learning and Domain Adaptation", ICLR 2022, and google-research/adamatch,
    `semi_supervised/adamatch.py`.

    Args:
        epochs: Int: epochs of the training.
        views: As for `fixmatch`.

    Returns:
        A `Preset`.
    """
    preset = _like_fixmatch(
        epochs, views, alignment=RelativeAlignment(), selection=Relative(0.9)
    )
    schedule = CosineRamp(t1=0, t2=epochs / 2, alpha_f=1.0)
    return preset._replace(schedule=schedule, batches=(64, 192))


def uda(epochs=None, views=None):
    """FixMatch with sharpened labels.

    As `fixmatch`, but rows count from a confidence of 0.8 on, and their labels
    are the probabilities, sharpened with temperature 0.4, which the threshold
    does not look at; no average is evaluated. Labels must be one float per
    class. The cross-entropy differs from the paper's divergence by a constant.

    What differs: no training signal annealing, which their image experiments
    do not have either.

    Source: Xie et al., "Unsupervised Data Augmentation for Consistency
    Training", NeurIPS 2020, and google-research/uda, `image/main.py`.

    Args:
        epochs: Int: epochs of the training; not used.
        views: As for `fixmatch`.

    Returns:
        A `Preset`.
    """
    return _like_fixmatch(
        epochs,
        views,
        selection=Threshold(0.8, mean="all"),
        target=Sharpened(0.4),
        average=None,
    )


def mean_teacher(epochs, views=None):
    """Consistency with an average of the network.

    The squared distance of the student's and the averaged network's
    probabilities, in the mean over classes and all rows, labeled ones too, each
    side with a weak view and dropout of its own; alpha rises to 50 along
    exp(-5 (1 - x)^2) over the first 40 % of the epochs. The average is
    evaluated.

    The weight is USB's. The paper's is 100 times the labeled share of the data,
    beside a labeled loss that is divided by all rows of the batch.

    Source: Tarvainen & Valpola, "Mean Teachers Are Better Role Models", NeurIPS
    2017, and CuriousAI/mean-teacher, `tensorflow/mean_teacher/model.py`.

    Args:
        epochs: Int: epochs of the training.
        views: `Views` whose student sees another weak view:
            `tpl.views.images(size, student_view="weak")`. Defaults to None: the
            unlabeled stream brings both, or dropout alone is the noise.

    Returns:
        A `Preset`.
    """
    model = {
        "teacher": Averaged(0.999),
        "average": "teacher",
        "unlabeled_loss": Consistency("mse", labeled=True),
        "batch_norm": "joint",
        "views": views,
    }
    schedule = SigmoidRamp(t1=0, t2=0.4 * epochs, alpha_f=50.0)
    return Preset(model, schedule, views={"student_view": "weak"})


def pi_model(epochs, views=None):
    """Consistency of two noisy passes of the network.

    The squared distance of the probabilities of two passes in training mode,
    each with a weak view of its own; alpha rises to 10 along exp(-5 (1 - x)^2)
    over the first 80 of 300 epochs' share of them.

    What differs: the gradient flows through one pass, as in Oliver et al.
    (2018) and USB, whose weight is taken; in the paper it flows through both,
    and the weight is 100 times the labeled share of the data.

    Source: Laine & Aila, "Temporal Ensembling for Semi-Supervised Learning",
    ICLR 2017, and smlaine2/tempens, `train.py`.

    Args:
        epochs: Int: epochs of the training.
        views: As for `mean_teacher`.

    Returns:
        A `Preset`.
    """
    model = {
        "teacher": "training",
        "unlabeled_loss": Consistency("mse"),
        "batch_norm": "joint",
        "views": views,
    }
    schedule = SigmoidRamp(t1=0, t2=80 / 300 * epochs, alpha_f=10.0)
    return Preset(model, schedule, views={"student_view": "weak"})


def vat(epochs=None, epsilon=6.0):
    """Outputs that stay in the direction in which they would change most.

    The virtual adversarial loss in place of pseudo-labels; moving statistics
    follow the labeled batches; alpha is 1 throughout. Inputs must be floats, in
    whose units the step is measured.

    Source: Miyato et al., "Virtual Adversarial Training: A Regularization
    Method for Supervised and Semi-Supervised Learning", TPAMI 2018, and
    takerum/vat_tf, `vat.py`.

    Args:
        epochs: Int: epochs of the training; not used.
        epsilon: Float: length of the step; see `VirtualAdversarial`.

    Returns:
        A `Preset`.
    """
    del epochs
    model = {
        "unlabeled_loss": VirtualAdversarial(epsilon),
        "batch_norm": "labeled",
    }
    return Preset(model, Constant(1.0))


def ict(epochs, views=None):
    """Consistency of mixed rows with mixed beliefs.

    The averaged network makes soft labels of unlabeled rows, which are mixed
    with one another, labels alike, and so are labeled ones; the loss is the
    squared error; alpha rises to 100 along exp(-5 (1 - x)^2) over the first
    quarter of the epochs. The average is evaluated. Labels must be one float
    per class.

    What differs: probabilities are mixed, as the paper says; their code mixes
    logits.

    Source: Verma et al., "Interpolation Consistency Training for
    Semi-Supervised Learning", IJCAI 2019, and vikasverma1077/ICT, `main.py`.

    Args:
        epochs: Int: epochs of the training.
        views: `Views` of which both sides see the weak one. Defaults to None:
            rows as they are.

    Returns:
        A `Preset`.
    """
    model = {
        "teacher": Averaged(0.999),
        "average": "teacher",
        "target": "soft",
        "mixup": Mixup(1.0, "apart"),
        "unlabeled_loss": Brier(),
        "batch_norm": "joint",
        "views": views,
    }
    schedule = SigmoidRamp(t1=0, t2=epochs / 4, alpha_f=100.0)
    return Preset(model, schedule, views={"student_view": "same"})


def mixmatch(epochs, views=None):
    """Guesses of two views, sharpened, and everything mixed.

    The mean of the probabilities of two weak views of each unlabeled row,
    sharpened with temperature 0.5; mixup of strength 0.75 of all rows, each
    nearer to itself; the squared error of unlabeled rows; moving statistics
    follow the labeled batches; alpha rises to 75 (for CIFAR-10; SVHN 250)
    during the first 64th of the epochs, which in 64 or fewer is a first epoch
    of labels alone. An average of the weights is evaluated. Labels must be one
    float per class.

    Source: Berthelot et al., "MixMatch: A Holistic Approach to Semi-Supervised
    Learning", NeurIPS 2019, and google-research/mixmatch, `mixmatch.py`.

    Args:
        epochs: Int: epochs of the training.
        views: `Views` with two copies, of which both sides see the weak view:
            `tpl.views.images(size, student_view="same", copies=2)`. Defaults to
            None: one view, rows as they are.

    Returns:
        A `Preset`.
    """
    model = {
        "teacher": "training",
        "target": Sharpened(0.5),
        "mixup": Mixup(0.75, "nearest"),
        "unlabeled_loss": Brier(),
        "batch_norm": "labeled",
        "average": Averaged(0.999),
        "views": views,
    }
    schedule = LinearRamp(t1=0, t2=epochs / 64, alpha_f=75.0)
    seen = {"student_view": "same", "copies": 2}
    return Preset(model, schedule, (64, 64), views=seen)


def remixmatch(epochs, views=None):
    """MixMatch with aligned guesses and strong views.

    Beliefs of a weak view, aligned to the classes of the labels and sharpened
    with temperature 0.5, for strong views; mixup of strength 0.75 of all rows,
    each nearer to itself; the cross-entropy, weighed 1.5, and that of rows
    before mixup, weighed 0.5; alpha rises to 1.5 during the first 64th of the
    epochs, as with `mixmatch`. An average of the weights is evaluated. Labels
    must be one float per class.

    What differs: without the rotation loss, which needs a head of its own; each
    strong view has a weak one, whose beliefs are averaged (theirs has one weak
    view for all); and the strong views are ours, not those of CTAugment.

    Source: Berthelot et al., "ReMixMatch: Semi-Supervised Learning with
    Distribution Alignment and Augmentation Anchoring", ICLR 2020, and
    google-research/remixmatch, `remixmatch_no_cta.py`.

    Args:
        epochs: Int: epochs of the training.
        views: `Views` with two copies or more (4 in their scripts, 8 in the
            paper). Defaults to None: one view, rows as they are.

    Returns:
        A `Preset`.
    """
    model = {
        "teacher": "training",
        "alignment": DistributionAlignment(),
        "target": Sharpened(0.5),
        "mixup": Mixup(0.75, "nearest"),
        # Alpha, 1.5 in the end, multiplies it.
        "terms": [Unmixed(0.5 / 1.5)],
        "batch_norm": "labeled",
        "average": Averaged(0.999),
        "views": views,
    }
    schedule = LinearRamp(t1=0, t2=epochs / 64, alpha_f=1.5)
    return Preset(model, schedule, (64, 64), views={"copies": 2})


def noisy_student(epochs, views=None):
    """Rounds: a network labels once, and a new one learns that with noise.

    Three rounds, of which the last may be shorter (4 epochs are two rounds of
    2): the first sees the labels alone; then a new network is trained on the
    soft labels that the one before made, in inference mode, of rows from a
    confidence of 0.3 on, through strong views and the network's own dropout.

    What differs: rows are not repeated until classes are of one size, nor does
    the network grow from round to round; the weak view is labeled where theirs
    sees whole images; and each batch has a mean of its own, where theirs is one
    over both. Rounds with files in between, a larger student and rows kept by
    class are `bin/selftrain` and `SelfTraining`.

    Source: Xie et al., "Self-training with Noisy Student improves ImageNet
    classification", CVPR 2020, and google-research/noisystudent.

    Args:
        epochs: Int: epochs of the training, all rounds together.
        views: As for `fixmatch`.

    Returns:
        A `Preset`, whose rounds need `StartOver(preset.restart_epochs, epochs)`
        among the callbacks.
    """
    rounds = math.ceil(epochs / 3)
    model = {
        "teacher": Lagged(rounds),
        "target": "soft",
        "selection": Threshold(0.3, mean="accepted"),
        "batch_norm": "joint",
        "views": views,
    }
    schedule = LinearRamp(t1=rounds, t2=rounds, alpha_f=1.0)
    return Preset(model, schedule, views={}, restart_epochs=rounds)


def _like_fixmatch(epochs, views, **changes):
    preset = fixmatch(epochs, views)
    return preset._replace(model=preset.model | changes)


PRESETS = {name: globals()[name] for name in registry.presets()}
