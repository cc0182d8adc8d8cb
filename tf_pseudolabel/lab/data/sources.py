"""A row for every place that examples come from.

Nothing heavy is imported until a source is loaded: programs read `SOURCES` for
their `--help`.
"""

from __future__ import annotations

import dataclasses
import importlib
import typing

from tf_pseudolabel.lab.errors import InputError

if typing.TYPE_CHECKING:
    from tf_pseudolabel.lab.data.examples import Data


@dataclasses.dataclass(frozen=True)
class Source:
    """Where examples come from.

    Attributes:
        help: What they are.
        module: A module of this package, whose `load` takes `fields` and
            returns `Data`.
        fields: Names of the fields of a recipe that `load` takes.
        needed: Those among them that must be given.
        own: Whether they are a user's own: all labels are used unless fewer
            are asked for, where of a benchmark nearly all are to be hidden.
        defaults: Fields of a recipe that suit the kind of data, where the user
            and the recipe say nothing else.
    """

    help: str
    module: str
    fields: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    own: bool = False
    defaults: dict = dataclasses.field(default_factory=dict)


SOURCES: dict[str, Source] = {
    "digits": Source(
        "scikit-learn's 1,797 8x8 digits; needs no download", "digits"
    ),
    "folders": Source(
        "your own images, one sub-folder per class",
        "folders",
        fields=(
            "labeled_dir",
            "unlabeled_dir",
            "test_dir",
            "validation_dir",
            "image_size",
            "resize",
            "on_bad_file",
            "cache",
        ),
        needed=("labeled_dir",),
        own=True,
    ),
}
# Of any other name.
TFDS = Source(
    "any TFDS image classification set",
    "tfds_images",
    fields=("dataset", "data_dir", "image_size"),
)
TFDS_NAMES = "mnist, fashion_mnist, cifar10, svhn_cropped, ..."


def of(dataset: str) -> Source:
    """Returns the row of a data set.

    Args:
        dataset: A name in `SOURCES`, or that of a TFDS set.
    """
    return SOURCES.get(dataset, TFDS)


def takers(field: str) -> tuple[str, ...]:
    """Returns the names of the sources that take a field of a recipe.

    Args:
        field: Its name.
    """
    rows = {**SOURCES, "mnist": TFDS}
    return tuple(name for name, row in rows.items() if field in row.fields)


def load(dataset: str, **values: typing.Any) -> Data:
    """Loads a source by name.

    Args:
        dataset: A name in `SOURCES`, or that of a TFDS set.
        **values: Fields of a recipe; None where it says nothing.

    Returns:
        The examples, checked.

    Raises:
        InputError: A field does not apply to this source or is missing, or the
            source cannot be read.
    """
    source = of(dataset)
    for name, value in values.items():
        if value is not None and name not in source.fields:
            raise InputError(
                f'--{name} does not apply to dataset "{dataset}"; got '
                f"{value!r}; remove it or choose another dataset"
            )
    for name in source.needed:
        if values.get(name) is None:
            raise InputError(
                f'dataset "{dataset}" needs --{name}; got none; give it'
            )
    module = importlib.import_module(f"{__package__}.{source.module}")
    given = {"dataset": dataset, **values}
    return module.load(
        **{name: given[name] for name in source.fields if name in given}
    )
