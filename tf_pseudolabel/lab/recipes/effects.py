"""Which fields of a recipe have an effect, and what would give them one."""

import dataclasses

from tf_pseudolabel.lab import networks
from tf_pseudolabel.lab.recipes.choices import one_of

# Decays of averages that follow training.
_DECAYS = ("decay", "average_decay", "average")


def without_effect(recipe, name):
    """Says why a field changes nothing, and what would make it count.

    Args:
        recipe: A `Recipe`.
        name: Name of one of its fields.

    Returns:
        A string, a line; None for a field that has an effect.
    """
    metadata = type(recipe).__dataclass_fields__[name].metadata
    if metadata["option"]:
        return _without_network(recipe, name)
    needs = metadata["needs"]
    if not needs or any(_is_met(recipe, *need) for need in needs):
        return None
    wanted = [
        f"--{field}{' above 0' if values is None else f'={one_of(values)}'}"
        for field, values in needs
    ]
    field, values = needs[0]
    example = 1 if values is None else values[0]
    return (
        f"--{name} is for {one_of(wanted)}; got "
        f"--{field}={getattr(recipe, field)}. Add --{field}={example}."
    )


def _without_network(recipe, name):
    """Says why an option is not for the recipe's network; None: it is."""
    if recipe.network is None:  # The kind of data will say.
        return None
    parameters = networks.parameters(recipe.network)
    if parameters is None or name in parameters:
        return None
    takers = [n for n in networks.NETWORKS if name in networks.parameters(n)]
    return (
        f"--{name} is for --network={one_of(takers)}, or a function that "
        f"names it; got --network={recipe.network}. Leave it out."
    )


def network_options(recipe):
    """Returns what a recipe says of its network's options, as a dict.

    Args:
        recipe: A `Recipe`.
    """
    return {
        field.name: getattr(recipe, field.name)
        for field in dataclasses.fields(recipe)
        if field.metadata.get("option")
        and getattr(recipe, field.name) is not None
    }


def long_averages(recipe, updates):
    """Says which averages look back on more than a quarter of a run.

    The decays of papers are for a million updates.

    Args:
        recipe: A `Recipe`.
        updates: Int: those of the run.

    Returns:
        A list of strings, a line each.
    """
    lines = []
    for name in _DECAYS:
        decay = getattr(recipe, name)
        is_used = decay and not without_effect(recipe, name)
        if not is_used or updates * (1 - decay) >= 4:
            continue
        shorter = f"{max(1 - 20 / updates, 0.5):.2g}"
        lines.append(
            f"--{name}={decay:g} looks back on {1 / (1 - decay):,.0f} updates, "
            f"of {updates:,} in all: what is believed at first stays in it. "
            f"--{name}={shorter} follows sooner."
        )
    return lines


def _is_met(recipe, field, values):
    value = getattr(recipe, field)
    return bool(value) if values is None else value in values
