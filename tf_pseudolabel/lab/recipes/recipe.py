"""What a recipe says: everything that is needed to run an experiment again."""

import dataclasses
import functools

from tf_pseudolabel import registry
from tf_pseudolabel.lab import json_file
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes import choices
from tf_pseudolabel.lab.recipes.checks import Checked
from tf_pseudolabel.lab.recipes.fields import Written

# Rows per update, which few rows may lower.
BATCHES = ("labeled_batch", "unlabeled_batch")

# The fields of parts stand in front of this one.
_BEHIND_PARTS = "restart_epochs"


@functools.cache
def _made(rows):
    choices.check_flags(rows)
    fields = {
        field.name: (
            field.type,
            dataclasses.field(default=field.default, metadata=field.metadata),
        )
        for field in dataclasses.fields(Written)
    }
    place = [*fields].index(_BEHIND_PARTS)
    ordered = [*fields.items()]
    ordered[place:place] = choices.fields_of(rows).items()
    return dataclasses.make_dataclass(
        "Recipe",
        [(name, *field) for name, field in ordered],
        bases=(Checked,),
        namespace={"__doc__": Checked.__doc__, "part_rows": rows},
        frozen=True,
        kw_only=True,
    )


def recipe_class(parts=None):
    """Makes the class of recipes that know parts of a user's own.

    Args:
        parts: Paths of Python files, separated by commas; None: none.

    Returns:
        A dataclass like `Recipe`; the same for the same rows.

    Raises:
        InputError: If a file cannot be read, or its rows break a rule.
    """
    try:
        return _made(registry.rows(parts.split(",") if parts else ()))
    except ValueError as error:
        raise InputError(f"--parts: {error}" if parts else str(error)) from None


Recipe = recipe_class()


def with_parts(recipe, parts):
    """Returns a recipe that knows parts of a user's own.

    Args:
        recipe: A `Recipe`.
        parts: As for `recipe_class`.
    """
    cls = recipe_class(parts)
    known = {field.name for field in dataclasses.fields(cls)}
    values = dataclasses.asdict(recipe) | {"parts": parts}
    return cls(**{n: value for n, value in values.items() if n in known})


def read_recipe(path, as_run=False):
    """Reads the recipe of a run.

    Args:
        path: A run's `recipe.json`.
        as_run: Bool: with the network that the kind of data chose and the batch
            sizes that the number of examples lowered, where others were asked
            for.

    Returns:
        A `Recipe`.

    Raises:
        InputError: If the file is missing or does not hold a recipe.
    """
    remedy = "Give the directory or file that bin/train wrote."
    content = json_file.read(path, "the recipe.json of a run", remedy)
    try:
        lowered = content.get("lowered", {}) if as_run else {}
        values = {**content["recipe"], **lowered}
        return recipe_class(values.get("parts"))(**values)
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} must be the recipe.json of a run; got: {error}. {remedy}"
        ) from None
