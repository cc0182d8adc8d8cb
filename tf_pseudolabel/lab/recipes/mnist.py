"""MNIST with 1000 labels: the 2020 reproduction of Lee's paper.

    bin/train --recipe=mnist_conv
    bin/train --recipe=mnist_conv_joint

Seven to ten minutes each on two cores. What to expect:
docs/results/mnist_1000_labels.md. The same error in half a minute, and what 100
labels suffice for:

    bin/train --recipe=mnist_conv_fast --nobaseline
    bin/train --recipe=mnist_conv_fast_100 --nobaseline
"""

import dataclasses

from tf_pseudolabel.lab.recipes.recipe import Recipe

MNIST_CONV = Recipe(
    name="mnist_conv",
    description="MNIST, 1000 labels, the alternating schedule of the 2020 "
    "reproduction",
    dataset="mnist",
    num_labeled=1000,
    num_unlabeled=19_000,
    num_validation=1000,
    num_test=5000,
    network="conv",
    hidden_units=150,
    dropout=0.5,
    teacher="inference",
    stream="alternating",
    unlabeled_batches=50,
    t1=100,
    t2=700,
    alpha_f=3.0,
    labeled_epochs=100,
    epochs=170,
    labeled_batch=64,
    unlabeled_batch=256,
    optimizer="sgd",
    learning_rate=0.1,
)

MNIST_CONV_JOINT = dataclasses.replace(
    MNIST_CONV,
    name="mnist_conv_joint",
    description="the same network, data and epochs with Lee's joint loss",
    stream="merged",
    # Here t is the epoch, of which there are 70 after T1. On validation data a
    # ramp that ends with them beat T2 = 700, which stops at alpha 0.35.
    t2=170,
)

# Network, rate and views were chosen on validation images of other splits:
# docs/results/mnist_family_choice.md.
MNIST_STRIDED = Recipe(
    name="mnist_strided",
    description="MNIST, 100 labels, 3000 updates of a small network: for "
    "presets with views",
    dataset="mnist",
    num_labeled=100,
    num_validation=2000,
    network="strided_conv",
    cutout=0.3,
    fill="constant",
    t1=0,
    t2=15,
    alpha_f=1.0,
    epochs=15,
    steps_per_epoch=200,
    labeled_batch=32,
    unlabeled_batch=128,
    optimizer="adamw",
    learning_rate=0.004,
    learning_rate_schedule="cosine",
)

# FixMatch, short: labels alone in the first of six epochs, an average that
# follows fast. Chosen on validation images of split 100, where 400, 500 and
# 1200 updates, half the rate, and more rows were tried: docs/guides/fast.md.
MNIST_CONV_FAST = dataclasses.replace(
    MNIST_STRIDED,
    name="mnist_conv_fast",
    description="MNIST, 1000 labels: below the error of mnist_conv after 600 "
    "updates",
    num_labeled=1000,
    views="images",
    teacher="training",
    selection="threshold",
    threshold=0.95,
    batch_norm="joint",
    average=0.99,
    ramp="linear",
    t1=1,
    t2=2,
    epochs=6,
    steps_per_epoch=100,
    labeled_batch=64,
    unlabeled_batch=64,
)

# ReMixMatch, as short: the best with 600 updates of the twelve settings that
# were tried on the same validation images (docs/guides/fast.md).
MNIST_CONV_FAST_100 = dataclasses.replace(
    MNIST_CONV_FAST,
    name="mnist_conv_fast_100",
    description="MNIST, 100 labels: below 3.5 % error after 600 updates",
    num_labeled=100,
    copies=2,
    alignment="distribution",
    selection="all",
    target="sharpened",
    unmixed=0.5 / 1.5,
    mixup=0.75,
    mixup_form="nearest",
    batch_norm="labeled",
    t1=0,
    t2=6 / 64,
    alpha_f=1.5,
    labeled_batch=32,
    unlabeled_batch=32,
)
