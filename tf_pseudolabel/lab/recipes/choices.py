"""What a recipe chooses of each kind of part, and the parts' own flags."""

import dataclasses

from tf_pseudolabel import registry
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.fields import Written, field


@dataclasses.dataclass(frozen=True)
class Choice:
    """A flag that names one part of a kind.

    Attributes:
        flag: Its name.
        help: What is chosen.
        default: The choice of a recipe that says nothing.
        without: What the default means where it is the name of no part.
        automatic: A choice that the kind of data makes; "": there is none.
    """

    flag: str
    help: str
    default: str
    without: str = ""
    automatic: str = ""

    def names(self, kind, rows):
        """The parts to choose from: a dict from name to a few words."""
        known = {row.name: row.help for row in rows if row.kind == kind}
        first = {self.default: known.get(self.default, self.without)}
        if self.automatic:
            first[self.automatic] = "as suits the data"
        return first | known


# By the registry's kind. Of terms there may be several: each has a weight.
CHOICES = {
    "teacher": Choice(
        "teacher", "network that makes the pseudo-labels", "inference"
    ),
    "alignment": Choice(
        "alignment", "what becomes of its probabilities", "none", "nothing"
    ),
    "selection": Choice("selection", "rows that count", "all"),
    "target": Choice("target", "what pseudo-labels are", "hard"),
    "views": Choice(
        "views",
        "what teacher and student see",
        "none",
        "the rows themselves",
        "auto",
    ),
    "unlabeled_loss": Choice(
        "unlabeled_loss",
        "what is minimized on unlabeled rows",
        "pseudo_label",
        "the loss of the labels, with pseudo-labels",
    ),
    "schedule": Choice("ramp", "shape of alpha's rise", "linear"),
}


def row_of(recipe, kind):
    """Finds the part that a recipe chooses.

    Args:
        recipe: A `Recipe`.
        kind: One of `CHOICES`.

    Returns:
        A `registry.Row`, or None where the choice is that of no part.
    """
    name = getattr(recipe, CHOICES[kind].flag, None)
    return next(
        (r for r in recipe.part_rows if (r.kind, r.name) == (kind, name)), None
    )


def terms_of(recipe):
    """Lists the rows of the terms that a recipe weighs above 0.

    Args:
        recipe: A `Recipe`.
    """
    return [
        row
        for row in recipe.part_rows
        if row.kind == "term" and getattr(recipe, row.name)
    ]


def values_of(recipe):
    """Returns what the flags of parts come to, as a dict.

    Args:
        recipe: A `Recipe`.
    """
    values = dataclasses.asdict(recipe)
    if recipe.restart_epochs:
        # Self-training: labels last a round.
        values["lag_epochs"] = recipe.restart_epochs
    return values


def fields_of(rows):
    """Makes the fields of parts: a choice of each kind, and the parts' flags.

    Args:
        rows: Tuple of `registry.Row`.

    Returns:
        A dict from name to a pair of type and `dataclasses.field`.
    """
    made, needs = {}, _needs(rows)
    for kind in registry.KINDS:
        of_kind = [row for row in rows if row.kind == kind]
        if of_kind and kind in CHOICES:
            choice = CHOICES[kind]
            names = choice.names(kind, rows)
            words = [
                f"{n} ({text})" if text else n for n, text in names.items()
            ]
            made[choice.flag] = (
                str,
                field(
                    choice.default,
                    f"{choice.help}: {one_of(words)}",
                    choices=tuple(names),
                ),
            )
        for flag in (flag for row in of_kind for flag in row.flags):
            if flag.help:
                made[flag.name] = (
                    type(flag.default),
                    field(
                        flag.default,
                        flag.help,
                        choices=flag.choices,
                        least=flag.least,
                        below=flag.below,
                        most=flag.most,
                        needs=needs[flag.name],
                    ),
                )
    return made


def _needs(rows):
    """From a part's flag to the fields that choose parts with this flag."""
    needs = {}
    for row in rows:
        for flag in row.flags:
            pairs = needs.setdefault(flag.name, {})
            if row.kind in CHOICES:
                choice = CHOICES[row.kind]
                automatic = [choice.automatic] * bool(choice.automatic)
                pairs.setdefault(choice.flag, automatic).append(row.name)
            elif flag.name != row.name:
                pairs[row.name] = None
    return {
        name: tuple(
            (chooser, names and tuple(names))
            for chooser, names in pairs.items()
        )
        for name, pairs in needs.items()
    }


def one_of(words):
    """Joins words by commas and a last "or"."""
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def check_flags(rows):
    """Refuses flags that are called like others, or that nobody explains.

    Args:
        rows: Tuple of `registry.Row`.

    Raises:
        InputError: If there are such flags, or a part is called like a default.
    """
    written = {one.name for one in dataclasses.fields(Written)}
    written.add("part_rows")
    choices = {choice.flag for choice in CHOICES.values()}
    for row in rows:
        if row not in registry.rows() and row.name == getattr(
            CHOICES.get(row.kind), "default", None
        ):
            raise InputError(
                f"{row.kind}={row.name} is what runs have that choose nothing; "
                f"got a part of that name in {row.path}. Rename it."
            )
        for flag in row.flags:
            if flag.name in choices or bool(flag.help) == (
                flag.name in written
            ):
                raise InputError(
                    "A part's flag has a name of its own and a help; got "
                    f"--{flag.name} in {row.path}. Rename it, or write its "
                    "help."
                )
