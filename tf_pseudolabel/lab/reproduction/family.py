"""What FixMatch and its kin come to: digits, photos, texts and a table."""

from tf_pseudolabel.lab.recipes import PRESETS, RECIPES
from tf_pseudolabel.lab.reproduction.plan import Plan, cell

MNIST = RECIPES["mnist_strided"]
# Two views of each unlabeled row: as many rows pass through the network.
_HALVED = {"mixmatch": 64, "remixmatch": 64}


def mnist_family(quick=False):
    """Every preset with 100 labels of MNIST, same network and updates.

    Args:
        quick: Whether there are 10 times fewer updates.

    Returns:
        A `Plan`.
    """
    recipe = _shorter(MNIST, quick)
    return Plan(
        tuple(
            # Labels alone: as they are, and shifted.
            _preset(recipe, name, baseline=name in ("lee2013", "fixmatch"))
            for name in PRESETS
        ),
        seeds=3,
    )


def mnist_family_choice(quick=False):
    """What the papers leave open, on validation images of other splits.

    Args:
        quick: Has no effect: these are quick.

    Returns:
        A `Plan`.
    """
    del quick
    changes = {
        ("fixmatch", "as chosen"): {},
        ("fixmatch", "learning rate 0.001"): {"learning_rate": 0.001},
        ("fixmatch", "learning rate 0.004"): {"learning_rate": 0.004},
        ("fixmatch", "squares of 0.3"): {"cutout": 0.3},
        ("fixmatch", "dropout 0.5"): {"dropout": 0.5},
        ("vat", "steps of 0.3"): {"epsilon": 0.3 * 255},
        ("vat", "steps of 1"): {"epsilon": 255.0},
        ("vat", "steps of 2"): {"epsilon": 2 * 255.0},
    }
    return Plan(
        tuple(
            _preset(MNIST, name, variant, baseline=False, **change)
            for (name, variant), change in changes.items()
        ),
        first_seed=100,
        seeds=2,
        measured_on="validation",
    )


def _preset(recipe, name, variant="", **changes):
    """A cell with a preset's parts; batches and rates are the recipe's."""
    # Slow: what presets are needs TensorFlow.
    from tf_pseudolabel.lab.runs.methods import preset_values

    kept = {
        "labeled_batch": recipe.labeled_batch,
        "unlabeled_batch": _HALVED.get(name, recipe.unlabeled_batch),
    }
    values = preset_values(name, recipe, kept) | kept
    # The optimizer does not look at the scale of a loss.
    values |= {"learning_rate": recipe.learning_rate}
    values |= {"first_learning_rate": None}
    told = ", ".join(filter(None, (name, variant)))
    return cell(recipe, told, **{**values, **changes})


def _shorter(recipe, quick):
    if not quick:
        return recipe
    import dataclasses

    steps = recipe.steps_per_epoch // 10
    return dataclasses.replace(recipe, steps_per_epoch=steps)
