"""Between a recipe's plain values and the parts that make pseudo-labels."""

from tf_pseudolabel import losses, presets, schedules
from tf_pseudolabel.labels import selections, targets, teachers

_TARGETS = {
    "hard": lambda recipe: targets.Hard(),
    "soft": lambda recipe: targets.Soft(),
    "sharpened": lambda recipe: targets.Sharpened(recipe.temperature),
}
_SELECTIONS = {
    "all": lambda recipe: selections.All(),
    "threshold": lambda recipe: selections.Threshold(
        recipe.threshold, recipe.mean
    ),
    "top_share": lambda recipe: selections.TopShare(recipe.mean),
}
# By name: from the network's output to the loss.
_UNLABELED_LOSSES = {
    "pseudo_label": lambda output: None,  # That of the labels.
    "entropy": losses.ConditionalEntropy,
}
_PENALTIES = {
    "class_prior": losses.ClassPrior,
    "minimum_entropy": losses.MinimumEntropy,
}
_RAMPS = {"linear": schedules.LinearRamp, "sigmoid": schedules.SigmoidRamp}


def arguments(recipe):
    """Makes the keyword arguments of `PseudoLabelModel`.

    Args:
        recipe: A `Recipe`.

    Returns:
        A dict.
    """
    teacher = recipe.teacher
    if teacher == "lagged" and recipe.restart_epochs:
        teacher = teachers.Lagged(recipe.restart_epochs)
    return {
        "teacher": teacher,
        "target": _TARGETS[recipe.target](recipe),
        "selection": _SELECTIONS[recipe.selection](recipe),
        "unlabeled_loss": _UNLABELED_LOSSES[recipe.unlabeled_loss](
            recipe.output
        ),
        "batch_norm": recipe.batch_norm,
        "mixup": recipe.mixup,
        "penalties": [
            penalty(getattr(recipe, name))
            for name, penalty in _PENALTIES.items()
            if getattr(recipe, name)
        ],
    }


def alpha(recipe):
    """Makes the schedule of alpha.

    Args:
        recipe: A `Recipe`.

    Returns:
        A `Schedule`.
    """
    return _RAMPS[recipe.ramp](recipe.t1, recipe.t2, recipe.alpha_f)


def share(recipe):
    """Makes the schedule of the share of rows that `top_share` accepts.

    Args:
        recipe: A `Recipe`.

    Returns:
        A callable of the epoch: `recipe.top_share` up to t1, 1 from t2 on.
    """
    rise = schedules.LinearRamp(recipe.t1, recipe.t2, 1.0 - recipe.top_share)
    return lambda epoch: recipe.top_share + rise(epoch)


def wants_distributions(recipe):
    """Whether labels must be one float per class.

    Args:
        recipe: A `Recipe`.

    Returns:
        A bool.
    """
    return recipe.target != "hard" or recipe.mixup > 0


def preset_values(name, recipe):
    """Says what a preset changes in a recipe.

    Args:
        name: A name in `presets.PRESETS`.
        recipe: A `Recipe`; its epochs, labeled epochs and learning rate count.

    Returns:
        A dict with the preset's values of every field that says how
        pseudo-labels are made and weighed. Epochs on the labels alone end where
        alpha rises. Where a preset's loss is a multiple of its paper's, for the
        sake of batches of two sizes, the learning rate is divided by that.
    """
    model, schedule, batches = presets.PRESETS[name](epochs=recipe.epochs)
    selection = model.get("selection") or selections.All()
    penalties = {type(part): part.weight for part in model.get("penalties", [])}
    values = {
        "teacher": model.get("teacher", "inference"),
        "target": model.get("target", "hard"),
        "selection": _name(selections.SELECTIONS, selection),
        **selection.get_config(),
        "unlabeled_loss": "pseudo_label",
        "restart_epochs": None,
        "batch_norm": model.get("batch_norm", "separate"),
        "mixup": model.get("mixup", 0.0),
        **{
            name: penalties.get(penalty, 0.0)
            for name, penalty in _PENALTIES.items()
        },
        "ramp": _name(_RAMPS, schedule),
        **schedule.get_config(),
        "labeled_epochs": int(min(recipe.labeled_epochs, schedule.t1)),
    }
    if batches is not None:
        values["labeled_batch"], values["unlabeled_batch"] = batches
        share_of_labels = batches[0] / sum(batches)
        values["learning_rate"] = recipe.learning_rate * share_of_labels
    return values


def _name(known, value):
    return next(name for name, kind in known.items() if type(value) is kind)
