"""What FixMatch and its kin come to: digits, photos, texts and a table."""

import dataclasses

from tf_pseudolabel.lab.recipes import PRESETS, RECIPES
from tf_pseudolabel.lab.reproduction.plan import Plan, cell

MNIST = RECIPES["mnist_strided"]
# The arm of the labels alone: as they are, and in the weak view.
_WITH_LABELS_ALONE = ("lee2013", "fixmatch")
# Lee's method, FixMatch, and two whose thresholds adapt.
_COMPARED = ("lee2013", "fixmatch", "freematch", "softmatch")
# Where each row has two views, as many pass through the network as elsewhere;
# steps are in values of pixels, chosen on validation images.
_OWN = {
    "mixmatch": {"unlabeled_batch": 64},
    "remixmatch": {"unlabeled_batch": 64},
    "vat": {"epsilon": 255.0},
}
# Where a run has 1000 to 4000 updates, an average that looks back on 100 of
# them; chosen on validation data of Banking77.
_SHORT = {
    "freematch": {"average_decay": 0.99},
    "softmatch": {"average_decay": 0.99},
}


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
            _preset(recipe, name, baseline=name in _WITH_LABELS_ALONE)
            for name in PRESETS
        ),
        seeds=3,
    )


def mnist_family_long(quick=False):
    """The two that validate best in `mnist_family`, for four times as long.

    Args:
        quick: Whether there are 10 times fewer updates.

    Returns:
        A `Plan`.
    """
    steps = 4 * MNIST.steps_per_epoch
    recipe = dataclasses.replace(MNIST, steps_per_epoch=steps)
    names = ("mixmatch", "remixmatch", "lee2013")
    return _at_labels(recipe, (100, 1000, 50, 20, 10), quick, names)


def mnist_imbalanced(quick=False):
    """Labels and unlabeled rows of MNIST of which the last class has few.

    Args:
        quick: Whether there are 10 times fewer updates.

    Returns:
        A `Plan`.
    """
    recipe = dataclasses.replace(
        _shorter(MNIST, quick), imbalance=20.0, split="stratified"
    )
    names = ("fixmatch", "freematch", "softmatch", "adamatch")
    return Plan(
        (
            _preset(recipe, "lee2013"),
            *(_preset(recipe, name, baseline=False) for name in names),
            _preset(
                recipe,
                "fixmatch",
                "debiased",
                baseline=False,
                alignment="debiased",
                unlabeled_loss="debiased",
            ),
        ),
        seeds=3,
    )


def mnist_open_set(quick=False):
    """Labels of 0 to 5, unlabeled rows of all digits.

    Args:
        quick: Whether there are 10 times fewer updates.

    Returns:
        A `Plan`.
    """
    recipe = dataclasses.replace(
        _shorter(MNIST, quick), num_labeled=60, known_classes=6
    )
    guarded = {"selection": "inliers"}
    sigmoid = {"output": "sigmoid"}
    return Plan(
        (
            _preset(recipe, "lee2013"),
            _preset(recipe, "fixmatch", baseline=False),
            _preset(recipe, "fixmatch", "inliers", baseline=False, **guarded),
            _preset(recipe, "fixmatch", "sigmoid", baseline=False, **sigmoid),
            _preset(recipe, "freematch", baseline=False),
        ),
        seeds=3,
    )


def cifar10(quick=False):
    """CIFAR-10 as JPEG files: 250 and 4000 labels.

    Args:
        quick: Whether there are 10 times fewer updates.

    Returns:
        A `Plan`.
    """
    recipe = RECIPES["cifar10_jpeg"]
    names = (*_COMPARED, "remixmatch")
    plan = _at_labels(recipe, (250, 4000), quick, names)
    steps = 3 * recipe.steps_per_epoch
    recipe = _shorter(dataclasses.replace(recipe, steps_per_epoch=steps), quick)
    cells = (*plan.cells, _preset(recipe, "fixmatch", "three times as long"))
    # A run takes half an hour and more: three splits of the best of the first
    # split, and of the labels alone that it is compared with.
    repeated = {("remixmatch", 250), ("fixmatch", 250), ("fixmatch", 4000)}
    return dataclasses.replace(
        plan,
        cells=tuple(
            dataclasses.replace(
                each,
                most_seeds=3 if (each.variant, each.labels) in repeated else 1,
            )
            for each in cells
        ),
    )


def banking77(quick=False):
    """Texts of 77 classes: 5 and 10 labels for each.

    Args:
        quick: Whether there are 10 times fewer updates.

    Returns:
        A `Plan`.
    """
    return _at_labels(RECIPES["banking77"], (385, 770), quick)


def adult(quick=False):
    """A table of two classes: 50 and 200 labels.

    Args:
        quick: Whether there are 10 times fewer updates.

    Returns:
        A `Plan`.
    """
    return _at_labels(RECIPES["adult"], (50, 200), quick)


def _at_labels(recipe, labels, quick, names=_COMPARED):
    """Presets at numbers of labels."""
    recipe = _shorter(recipe, quick)
    return Plan(
        tuple(
            _preset(
                recipe,
                name,
                baseline=name in _WITH_LABELS_ALONE,
                **_SHORT.get(name, {}),
                num_labeled=count,
                labeled_batch=min(recipe.labeled_batch, count),
            )
            for count in labels
            for name in names
        ),
        seeds=3,
    )


def _preset(recipe, name, variant="", **changes):
    """A cell with a preset's parts; batches and rate are the recipe's."""
    # Slow: what presets are needs TensorFlow.
    from tf_pseudolabel.lab.runs.methods import preset_values

    kept = {
        "labeled_batch": recipe.labeled_batch,
        "unlabeled_batch": recipe.unlabeled_batch,
        **_OWN.get(name, {}),
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
    steps = recipe.steps_per_epoch // 10
    return dataclasses.replace(recipe, steps_per_epoch=steps)
