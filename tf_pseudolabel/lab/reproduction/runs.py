"""The runs of a plan: a cell on a split each, and what tells them apart."""

import dataclasses
import hashlib
import json

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes import RECIPES, Recipe
from tf_pseudolabel.lab.recipes.effects import without_effect

# Where data lie is no part of what is run.
_FLAGS = [
    field.name
    for field in dataclasses.fields(Recipe)
    if field.metadata and field.name != "data_dir"
]


@dataclasses.dataclass(frozen=True)
class Run:
    """A cell on one split.

    Attributes:
        cell: A `Cell`.
        recipe: Its `Recipe`, with the seed of the split.
    """

    cell: object
    recipe: Recipe

    @property
    def fingerprint(self):
        """Eight characters that change with the recipe."""
        # Without defaults: a field that is new must not make old runs others.
        default = Recipe()
        values = {
            name: self._value(name)
            for name in _FLAGS
            if self._value(name) != getattr(default, name)
        }
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def name(self):
        """What its directory is called."""
        cell, seed = self.cell, self.recipe.seed
        return f"{cell.method}-{cell.labels}-{seed}-{self.fingerprint}"

    @property
    def flags(self):
        """What differs from the named recipe, as flags of `bin/train`."""
        base = RECIPES[self.cell.method]
        changed = [
            name
            for name in _FLAGS
            if self._value(name) != getattr(base, name)
            # A compressed recipe counts in fewer epochs what it does not have.
            and without_effect(self.recipe, name) is None
        ]
        return [
            f"--recipe={self.cell.method}",
            *(f"--{name}={self._value(name)}" for name in changed),
        ]

    def is_finished_in(self, work_dir):
        """Whether what it leaves behind lies there."""
        return (work_dir / self.name / "metrics.json").exists()

    def _value(self, name):
        return getattr(self.recipe, name)

    def key(self):
        """What tells the rows of this run from others', as in the CSV file."""
        cell = self.cell
        values = (cell.method, cell.variant, cell.labels, self.recipe.seed)
        return tuple(map(str, (*values, self.fingerprint)))


def of_plan(plan, seeds=None):
    """Lists the runs of a plan, split by split.

    Split after split, so that a table has all its cells early, and every cell
    the same splits.

    Args:
        plan: A `Plan`.
        seeds: Int: how many splits, instead of the plan's own number.

    Returns:
        A list of `Run`.
    """
    seeds = seeds or plan.seeds
    return [
        Run(
            cell,
            dataclasses.replace(cell.recipe, seed=plan.first_seed + number),
        )
        for number in range(seeds)
        for cell in plan.cells
        if number < (cell.most_seeds or seeds)
    ]


def of_methods(runs, methods):
    """Picks the runs of some methods.

    Args:
        runs: List of `Run`.
        methods: Names of recipes; none: all.

    Returns:
        A list of `Run`.

    Raises:
        InputError: If no run is of one of these methods.
    """
    known = list(dict.fromkeys(run.cell.method for run in runs))
    for method in methods:
        if method not in known:
            raise InputError(
                f"--methods names recipes of the table: {', '.join(known)}; "
                f"got {method!r}."
            )
    return [run for run in runs if run.cell.method in (methods or known)]
