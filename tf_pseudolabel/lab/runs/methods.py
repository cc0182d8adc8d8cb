"""Between a recipe's plain values and the parts that make pseudo-labels."""

import inspect

from tf_pseudolabel import presets, registry, schedules
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.choices import (
    CHOICES,
    row_of,
    terms_of,
    values_of,
)
from tf_pseudolabel.lab.recipes.recipe import BATCHES
from tf_pseudolabel.labels.teachers import Averaged
from tf_pseudolabel.update.mixup import Mixup

# What Keras adds to the config of a layer or a loss; names are numbered.
_OF_KERAS = ("name", "dtype")


def arguments(recipe, known=None):
    """Makes the keyword arguments of `PseudoLabelModel`.

    Args:
        recipe: A `Recipe`.
        known: Dict from a kind of parts to arguments that data say; None where
            nothing is trained.

    Returns:
        A dict; without what the recipe leaves as the model has it.

    Raises:
        InputError: If a part of a user's own cannot be made.
    """
    chosen = {kind: row_of(recipe, kind) for kind in CHOICES}
    del chosen["schedule"]
    average = _average(recipe)
    return {
        **{
            kind: _made(row, recipe, (known or {}).get(kind))
            for kind, row in chosen.items()
            if row
        },
        **({} if average is None else {"average": average}),
        "terms": [_made(row, recipe) for row in terms_of(recipe)],
        "batch_norm": recipe.batch_norm,
        "mixup": _mixup(recipe),
    }


def alpha(recipe):
    """Makes the schedule of alpha.

    Args:
        recipe: A `Recipe`.

    Returns:
        A `Schedule`.
    """
    return _made(row_of(recipe, "schedule"), recipe)


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


def preset_values(name, recipe, given=None):
    """Says what a preset changes in a recipe.

    Args:
        name: A name in `presets.PRESETS`.
        recipe: A `Recipe`; its epochs, labeled epochs and learning rate count.
        given: Dict of values that will stand beside the preset's, and count
            where a preset depends on them. Defaults to none.

    Returns:
        A dict with the preset's values of every field that says how
        pseudo-labels are made and weighed. Epochs on the labels alone end where
        alpha rises. Where a preset's loss is a multiple of its paper's, for the
        sake of batches of two sizes, the learning rate is divided by that.

    Raises:
        InputError: If the preset holds something that no flag can say.
    """
    given = given or {}
    preset = _preset(name, given.get("epochs", recipe.epochs), given)
    model = dict(preset.model)
    values = {
        "restart_epochs": preset.restart_epochs,
        "batch_norm": model.pop("batch_norm", "auto"),
        **_mixup_values(model.pop("mixup", 0.0)),
        "average": _decay(
            model.pop("average", None), model.get("teacher"), given
        ),
    }
    if preset.views is not None:  # The kind of data says which.
        del model["views"]
    values |= _term_values(name, _listed(model.pop("terms", [])), recipe)
    for kind, choice in CHOICES.items():
        given_part = (
            preset.schedule if kind == "schedule" else model.pop(kind, None)
        )
        if given_part is not None:
            values |= _values(name, kind, given_part, recipe)
        elif hasattr(recipe, choice.flag):
            values[choice.flag] = choice.default
    if preset.views is not None:
        values |= {"views": "auto", **preset.views}
    if preset.restart_epochs is not None:
        values["lag_epochs"] = 1  # A round has one teacher.
    if model:
        raise _refusal(name, *next(iter(model.items())))
    start = values.get("t1", 0)
    values["labeled_epochs"] = int(min(recipe.labeled_epochs, start))
    if preset.batches is not None:
        values["labeled_batch"], values["unlabeled_batch"] = preset.batches
    return values | _rates(preset.learning_rate, recipe, given)


def fixed_batches(name):
    """Says which batch sizes the weights of a preset depend on.

    Args:
        name: A name in `presets.PRESETS`; another one: there are none.

    Returns:
        A set of names of a recipe's fields.
    """
    if name not in presets.PRESETS:
        return set()
    taken = inspect.signature(presets.PRESETS[name]).parameters
    return taken.keys() & BATCHES


def _mixup(recipe):
    if recipe.mixup_form == "joint":
        return recipe.mixup
    return Mixup(recipe.mixup, recipe.mixup_form)


def _mixup_values(mixup):
    """The flags that say how a preset mixes rows."""
    if isinstance(mixup, Mixup):
        return {"mixup": mixup.strength, "mixup_form": mixup.form}
    return {"mixup": mixup, "mixup_form": "joint"}


def _average(recipe):
    """What is evaluated in place of the network; None: itself."""
    if not recipe.average:
        return None
    if recipe.teacher == "averaged" and recipe.decay == recipe.average:
        return "teacher"
    return Averaged(recipe.average)


def _decay(average, teacher, given):
    """The flag that says which average a preset evaluates."""
    if average is None:
        return 0.0
    if average == "teacher":
        return given.get("decay", teacher.decay)
    return average.decay


def remembers_rows(recipe):
    """Whether a part of a recipe needs the number of every unlabeled row.

    Args:
        recipe: A `Recipe`.
    """
    selection = row_of(recipe, "selection")
    return _made(selection, recipe).remembers_rows


def needs_floats(recipe):
    """Whether a part of a recipe takes fractions of inputs.

    Args:
        recipe: A `Recipe`.
    """
    row = row_of(recipe, "unlabeled_loss")
    return row is not None and _made(row, recipe).needs_floats


def _made(row, recipe, known=None):
    values = values_of(recipe)
    arguments = {
        flag.argument: values[flag.name] for flag in row.flags if flag.argument
    }
    made = _part(row, arguments, recipe)
    wanted = getattr(made, "from_data", ()) if known else ()
    if not wanted:
        return made
    return _part(row, arguments | {n: known[n] for n in wanted}, recipe)


def _part(row, values, recipe):
    extra = recipe.parts.split(",") if recipe.parts else ()
    try:
        return registry.part(row.kind, row.name, extra=extra, **values)
    except ValueError as error:
        raise InputError(f"{row.kind} {row.name}: {error}") from error


def _preset(name, epochs, given):
    """The preset for the epochs, and for the batches that were given."""
    preset = presets.PRESETS[name]
    taken = inspect.signature(preset).parameters
    sizes = {n: given[n] for n in BATCHES if n in given and n in taken}
    return preset(epochs=epochs, **sizes)


def _rates(factors, recipe, given):
    """The learning rates before and after alpha rises."""
    first, then = factors
    rate = given.get("learning_rate", recipe.learning_rate * then)
    return {
        "learning_rate": rate,
        "first_learning_rate": None if first == then else rate * first / then,
    }


def _listed(terms):
    return list(terms) if isinstance(terms, (list, tuple)) else [terms]


def _term_values(preset, terms, recipe):
    """The flags of all terms: those of a preset, and 0 for the others."""
    values = {row.name: 0.0 for row in recipe.part_rows if row.kind == "term"}
    names = [registry.name_of("term", term) for term in terms]
    for name, term in zip(names, terms, strict=True):
        if names.count(name) > 1:
            raise _refusal(preset, "terms", terms)
        values |= _values(preset, "term", term, recipe)
    return values


def _values(preset, kind, given, recipe):
    """The fields that say one part of a preset."""
    name = given
    if not isinstance(given, str):
        name = registry.name_of(kind, given)
    row = next(
        (r for r in recipe.part_rows if (r.kind, r.name) == (kind, name)), None
    )
    if row is None:
        raise _refusal(preset, kind, given)
    choice = CHOICES.get(kind)
    chosen = {} if choice is None else {choice.flag: name}
    part = _part(row, {}, recipe) if given is name else given
    if not hasattr(part, "get_config"):
        raise _refusal(preset, kind, given)
    config = part.get_config()
    said = {
        flag.argument: config[flag.argument]
        for flag in row.flags
        if flag.argument in config
    }
    if _config(_part(row, said, recipe)) != _config(part):
        raise _refusal(preset, kind, given)
    # A flag without help is one of the programs' own, which the recipe says.
    return chosen | {
        flag.name: said[flag.argument]
        for flag in row.flags
        if flag.help and flag.argument in said
    }


def _config(part):
    config = part.get_config()
    return {k: value for k, value in config.items() if k not in _OF_KERAS}


def _refusal(preset, kind, given):
    return InputError(
        f"--preset={preset} has {kind}={given!r}, which no flag can say, and "
        "is not run without it. Give its class a row with @register, and a "
        "flag for every argument."
    )
