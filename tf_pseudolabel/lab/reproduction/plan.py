"""What a table is: cells, each a setting on several splits."""

import dataclasses

from tf_pseudolabel.lab.recipes import Recipe


@dataclasses.dataclass(frozen=True)
class Cell:
    """One setting, to be run on several splits.

    Attributes:
        variant: What differs from the method's other cells with as many labels;
            "" if nothing does.
        recipe: A `Recipe`, but for its seed.
        most_seeds: How many splits at most, where a run takes long; None: as
            many as the plan has.
    """

    variant: str
    recipe: Recipe
    most_seeds: int | None = None

    @property
    def method(self):
        """Name of the recipe that the setting comes from."""
        return self.recipe.name

    @property
    def labels(self):
        """Labeled examples."""
        return self.recipe.num_labeled


@dataclasses.dataclass(frozen=True)
class Plan:
    """A table.

    Attributes:
        cells: Tuple of `Cell`.
        first_seed: The first seed. Plans that choose have splits of their own.
        seeds: How many splits there are, unless the user says otherwise.
        measured_on: `"test"`, or `"validation"` where something is chosen.
        drawn: Whether the trained networks are drawn.
        layout: How cells are laid out: a name in `reproduce.LAYOUTS`.
    """

    cells: tuple[Cell, ...]
    first_seed: int = 0
    seeds: int = 5
    measured_on: str = "test"
    drawn: bool = False
    layout: str = "by_labels"


def cell(recipe, variant="", most_seeds=None, **changes):
    """Makes a cell of a recipe.

    Args:
        recipe: A `Recipe`.
        variant: As for `Cell`.
        most_seeds: As for `Cell`.
        **changes: Fields of the recipe that have other values.

    Returns:
        A `Cell`.
    """
    recipe = dataclasses.replace(recipe, **changes)
    return Cell(variant, recipe, most_seeds)
