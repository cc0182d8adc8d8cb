"""What is measured: the cells of every table."""

import dataclasses

from tf_pseudolabel.lab.recipes import RECIPES
from tf_pseudolabel.lab.recipes import lee2013 as lee
from tf_pseudolabel.lab.recipes.lee2013 import compressed
from tf_pseudolabel.lab.reproduction import family
from tf_pseudolabel.lab.reproduction.plan import Plan, cell

LABELS = (100, 600, 1000, 3000)


def lee2013_table(quick=False):
    """Lee's table 2, and what else is compared with it.

    Args:
        quick: Whether schedules are compressed to minutes.

    Returns:
        A `Plan`.
    """
    factor = _factor(quick)
    # Several networks, one after the other.
    most_seeds = {lee.SELF_TRAINING_3: 3}
    return Plan(
        tuple(
            cell(
                compressed(recipe, factor),
                most_seeds=most_seeds.get(recipe),
                num_labeled=labels,
            )
            for labels in LABELS
            for recipe in lee.PUBLISHED
        ),
        layout="beside_lee2013",
    )


def lee2013_entropy(quick=False):
    """Pseudo-labels and entropy regularization with softmax outputs.

    Sigmoid outputs that are all 0 have no entropy either (Lee's equation 18);
    probabilities that sum to 1 cannot be.

    Args:
        quick: Whether schedules are compressed to minutes.

    Returns:
        A `Plan`.
    """
    return Plan(
        tuple(
            cell(
                compressed(recipe, _factor(quick)), "softmax", output="softmax"
            )
            for recipe in (lee.PL, lee.DROPNN, lee.ENTROPY)
        ),
        seeds=3,
    )


def lee2013_figures(quick=False):
    """The figures of the paper: 600 labels, one split, three networks.

    Args:
        quick: Whether schedules are compressed to minutes.

    Returns:
        A `Plan`.
    """
    factor = _factor(quick)
    return Plan(
        tuple(
            cell(compressed(recipe, factor))
            for recipe in (lee.DROPNN, lee.PL, lee.PL_DAE)
        ),
        seeds=1,
        drawn=True,
    )


def lee2013_length(quick=False):
    """What compression costs: one split, longer and longer.

    Args:
        quick: Whether the published length is left out.

    Returns:
        A `Plan`.
    """
    factors = (60, 40, 15) if quick else (40, 15, 5, 1)
    return Plan(
        tuple(
            cell(
                compressed(lee.PL, factor),
                _length(factor),
                num_labeled=labels,
            )
            for labels in (600, 3000)
            for factor in factors
        ),
        seeds=1,
    )


def lee2013_alpha(quick=False):
    """Alpha too high and too low, and a ramp too early and too late.

    Args:
        quick: Has no effect: these are quick.

    Returns:
        A `Plan`.
    """
    del quick
    changes = {
        "alpha_f = 0": {"alpha_f": 0.0},
        "alpha_f = 0.1": {"alpha_f": 0.1},
        "alpha_f = 1": {"alpha_f": 1.0},
        "as published": {},
        "alpha_f = 10": {"alpha_f": 10.0},
        "alpha_f = 30": {"alpha_f": 30.0},
        "T1 = T2 = 0": {"t1": 0.0, "t2": 0.0},
        "T1 = 0, T2 = 100": {"t1": 0.0, "t2": 100.0},
        "T1 = T2 = 300": {"t1": 300.0, "t2": 300.0},
        "T1 = 500, T2 = 600": {"t1": 500.0, "t2": 600.0},
    }
    return Plan(
        tuple(
            cell(
                compressed(
                    dataclasses.replace(lee.PL, **change),
                    lee.QUICK_COMPRESSION,
                ),
                variant,
            )
            for variant, change in changes.items()
        ),
        seeds=3,
    )


def lee2013_choice(quick=False):
    """What the paper leaves open, on validation images of other splits.

    Args:
        quick: Has no effect: these are quick.

    Returns:
        A `Plan`.
    """
    del quick
    changes = {
        (lee.PL, "as chosen"): {},
        (lee.PL, "pixels up to 1"): {"input_scale": 1.0},
        (lee.PL, "pixels up to 0.5"): {"input_scale": 0.5},
        (lee.PL, "pixels up to 0.1"): {"input_scale": 0.1},
        # As large as Keras' own for these layers.
        (lee.PL, "initial weights of 0.02"): {"initial_std": 0.02},
        (lee.PL, "initial weights of 0.1"): {"initial_std": 0.1},
        (lee.PL, "200 more epochs, at alpha_f"): {"epochs": 800},
        (lee.PL, "no dropout on pixels"): {"input_dropout": 0.0},
        (lee.PL, "dropout 0.5 on pixels"): {"input_dropout": 0.5},
        (lee.PL, "labels from the pass of the loss"): {"teacher": "training"},
        (lee.DROPNN, "as chosen"): {},
        (lee.DROPNN, "pixels up to 1"): {"input_scale": 1.0},
        (lee.DROPNN, "no dropout on pixels"): {"input_dropout": 0.0},
        (lee.PL_DAE, "as chosen"): {},
        (lee.PL_DAE, "2 epochs of pretraining"): {"dae_epochs": 2},
        (lee.PL_DAE, "12 epochs of pretraining"): {"dae_epochs": 12},
        (lee.PL_DAE, "pretraining at a rate of 0.0003"): {
            "dae_learning_rate": 0.0003
        },
        (lee.ENTROPY, "as chosen"): {},
        (lee.ENTROPY, "alpha_f = 10"): {"alpha_f": 10.0},
        (lee.ENTROPY, "alpha_f = 30"): {"alpha_f": 30.0},
    }
    return Plan(
        tuple(
            cell(
                compressed(
                    dataclasses.replace(recipe, **change),
                    lee.QUICK_COMPRESSION,
                ),
                variant,
            )
            for (recipe, variant), change in changes.items()
        ),
        first_seed=100,
        seeds=3,
        measured_on="validation",
    )


def mnist_conv(quick=False):
    """The convolutional network with 100 to 3000 labels, with and without.

    Args:
        quick: Whether there are 8 times fewer epochs.

    Returns:
        A `Plan`.
    """
    factor = 8 if quick else 1
    return Plan(
        tuple(
            cell(
                compressed(RECIPES["mnist_conv_joint"], factor),
                num_labeled=labels,
            )
            for labels in LABELS
        ),
        seeds=3,
    )


def mnist_1000_labels(quick=False):
    """Both schedules of the convolutional network, 1000 labels.

    Args:
        quick: Whether there are 8 times fewer epochs.

    Returns:
        A `Plan`.
    """
    factor = 8 if quick else 1
    return Plan(
        tuple(
            cell(compressed(RECIPES[name], factor))
            for name in ("mnist_conv", "mnist_conv_joint")
        ),
        seeds=3,
    )


def digits(quick=False):
    """The default recipe: 50 labels, with and without pseudo-labels.

    Args:
        quick: Has no effect: this is quick.

    Returns:
        A `Plan`.
    """
    del quick
    return Plan((cell(RECIPES["digits_conv"]),))


def digits_presets(quick=False):
    """Presets and other choices in the default network, nothing tuned.

    Args:
        quick: Has no effect: these are quick.

    Returns:
        A `Plan`.
    """
    # Slow: what presets are needs TensorFlow.
    from tf_pseudolabel.lab.runs.methods import preset_values

    del quick
    # As long as the default once was: some of them begin slowly.
    recipe = dataclasses.replace(
        RECIPES["digits_conv"], t1=10, t2=60, epochs=100
    )
    changes = {
        **{
            name: preset_values(name, recipe)
            for name in ("arazo2020", "oliver2018", "usb_pl")
        },
        "sharpened": {"target": "sharpened"},
        "top_share": {"selection": "top_share", "mean": "accepted"},
    }
    return Plan(
        (
            cell(recipe, "default"),
            *(
                cell(recipe, variant, baseline=False, **change)
                for variant, change in changes.items()
            ),
        )
    )


PLANS = {
    plan.__name__: plan
    for plan in (
        lee2013_table,
        lee2013_entropy,
        lee2013_figures,
        lee2013_length,
        lee2013_alpha,
        lee2013_choice,
        mnist_conv,
        mnist_1000_labels,
        digits,
        digits_presets,
        family.mnist_family,
        family.mnist_family_long,
        family.mnist_imbalanced,
        family.mnist_open_set,
        family.cifar10,
        family.banking77,
        family.adult,
    )
}


def _length(factor):
    if factor == 1:
        return "as many epochs as published"
    return f"{factor} times fewer epochs"


def _factor(quick):
    return lee.QUICK_COMPRESSION if quick else lee.TABLE_COMPRESSION
