"""Lee's network and schedules on MNIST, and what he compares them with.

    bin/train --recipe=lee2013_pl_quick --num_labeled=100
    bin/reproduce --what=lee2013_table

Published are network, loss, optimizer, batches and the schedules in epochs (Lee
2013, sections 2 and 4). Where the paper is silent, the choice was made on
validation images: docs/results/lee2013_choice.md has the figures. These choices
are the scale of the pixels, dropout on them, the initial weights, and how long
and fast the auto-encoder learns. What an epoch passes over is a matter of time
alone: of schedules that are counted in epochs, more of it is less compression.
Epochs are as many as the ramp of alpha takes, which so ends just below alpha_f.

The published length takes half an hour to an hour on a core; self-training,
which trains several networks, as many times longer. Recipes that end in
`_quick` are compressed in time: the same schedules in fewer epochs.
"""

import dataclasses

from tf_pseudolabel.lab.recipes.recipe import Recipe

# How many times fewer epochs the table and its quick form have.
TABLE_COMPRESSION = 5
QUICK_COMPRESSION = 40


def compressed(recipe, factor):
    """The same schedules in fewer epochs.

    Args:
        recipe: A `Recipe`.
        factor: Int: how many times fewer.

    Returns:
        A `Recipe` in which whatever is counted in epochs happens `factor` times
        sooner, but for pretraining. Epochs are as long as before.
    """

    def sooner(epochs):
        return None if epochs is None else max(1, round(epochs / factor))

    return dataclasses.replace(
        recipe,
        labeled_epochs=round(recipe.labeled_epochs / factor),
        epochs=sooner(recipe.epochs),
        restart_epochs=sooner(recipe.restart_epochs),
        t1=recipe.t1 / factor,
        t2=recipe.t2 / factor,
        learning_rate_decay=recipe.learning_rate_decay**factor,
        momentum_epochs=recipe.momentum_epochs / factor,
    )


PL = Recipe(
    name="lee2013_pl",
    description="MNIST, 600 labels, Lee's network: dropout and pseudo-labels",
    dataset="mnist",
    num_labeled=600,
    num_validation=1000,
    network="mlp",
    hidden_units=5000,
    dropout=0.5,
    input_scale=0.25,
    input_dropout=0.2,
    initial_std=0.05,
    output="sigmoid",
    # Without batch normalization the same as two passes, and faster.
    batch_norm="joint",
    t1=100,
    t2=600,
    alpha_f=3.0,
    epochs=600,
    steps_per_epoch=60,
    labeled_batch=32,
    unlabeled_batch=256,
    optimizer="lee2013",
    learning_rate=1.5,
    learning_rate_decay=0.998,
    momentum=0.5,
    final_momentum=0.99,
    momentum_epochs=500,
    baseline=False,
)

DROPNN = dataclasses.replace(
    PL,
    name="lee2013_dropnn",
    description="the same network on its labels alone",
    alpha_f=0.0,
)

PL_DAE = dataclasses.replace(
    PL,
    name="lee2013_pl_dae",
    description="lee2013_pl after pretraining as a denoising auto-encoder",
    t1=200,
    t2=800,
    epochs=800,
    dae_epochs=4,
    dae_learning_rate=0.001,
)

ENTROPY = dataclasses.replace(
    PL,
    name="entropy_regularization",
    description="the entropy of the outputs in place of pseudo-labels",
    unlabeled_loss="entropy",
    # Not believed, but counted.
    teacher="training",
)


def self_training(rounds):
    """Pseudo-labels offline: all made at once, then trained on from scratch.

    Args:
        rounds: Int: how many times labels are made.

    Returns:
        A `Recipe`.
    """
    return dataclasses.replace(
        PL,
        name=f"self_training_{rounds}",
        description="offline: everything is labeled, training starts over; "
        f"rounds: {rounds}",
        teacher="lagged",
        # A network on the labels alone, then one for every round.
        restart_epochs=PL.epochs,
        epochs=PL.epochs * (1 + rounds),
        t1=PL.epochs,
        t2=PL.epochs,
        alpha_f=1.0,
    )


SELF_TRAINING_1 = self_training(1)
SELF_TRAINING_3 = self_training(3)

PUBLISHED = (PL, DROPNN, PL_DAE, ENTROPY, SELF_TRAINING_1, SELF_TRAINING_3)
QUICK = tuple(
    dataclasses.replace(
        compressed(recipe, QUICK_COMPRESSION),
        name=f"{recipe.name}_quick",
        description=f"{recipe.name} in {QUICK_COMPRESSION} times fewer epochs",
    )
    for recipe in PUBLISHED
)
