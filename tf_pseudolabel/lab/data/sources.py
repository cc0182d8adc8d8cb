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


# The rate of the digits leaves other data at chance; Adam suits most of them.
_ADAM = {"optimizer": "adam", "learning_rate": 0.001, "momentum": 0.0}

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
            "group_level",
            "resize",
            "on_bad_file",
            "cache",
        ),
        needed=("labeled_dir",),
        own=True,
        defaults=_ADAM,
    ),
    "table": Source(
        "your own table: CSV, TSV, JSON lines or Parquet",
        "table",
        fields=(
            "data_file",
            "label_column",
            "unlabeled_file",
            "validation_file",
            "test_file",
            "group_column",
            "cache",
        ),
        needed=("data_file", "label_column"),
        own=True,
        defaults={
            "network": "table_mlp",
            "labeled_batch": 32,
            "unlabeled_batch": 256,
            **_ADAM,
        },
    ),
    "text": Source(
        "your own texts: a column of a file, or one file per text",
        "text",
        fields=(
            "data_file",
            "label_column",
            "text_column",
            "unlabeled_file",
            "validation_file",
            "test_file",
            "group_column",
            "labeled_dir",
            "unlabeled_dir",
            "validation_dir",
            "test_dir",
            "vocabulary_size",
            "text_length",
            "cache",
        ),
        own=True,
        defaults={
            "network": "text_conv",
            "labeled_batch": 32,
            "unlabeled_batch": 256,
            **_ADAM,
        },
    ),
    "arrays": Source(
        "your own arrays: x_train, y_train and others in a .npz file",
        "arrays",
        fields=("data_file",),
        needed=("data_file",),
        own=True,
        defaults={"network": None, **_ADAM},
    ),
    "tfrecord": Source(
        "your own TFRecord files of images or numbers",
        "tfrecord",
        fields=(
            "data_file",
            "features_file",
            "unlabeled_file",
            "validation_file",
            "test_file",
            "image_size",
        ),
        needed=("data_file", "features_file"),
        own=True,
        defaults={"network": None, **_ADAM},
    ),
    "python": Source(
        "what a program of yours hands to tf_pseudolabel.lab.runs.run",
        "python",
        own=True,
        defaults={"network": None, **_ADAM},
    ),
}
# Of any other name.
TFDS = Source(
    "any TFDS set of images, numbers or texts with a class; or its directory",
    "tfds_sets",
    fields=(
        "dataset",
        "data_dir",
        "image_size",
        "vocabulary_size",
        "text_length",
    ),
)
TFDS_NAMES = "mnist, fashion_mnist, cifar10, svhn_cropped, ..."


def of(dataset: str) -> Source:
    """Returns the row of a data set.

    Args:
        dataset: A name in `SOURCES`, or that of a TFDS set.
    """
    return SOURCES.get(dataset, TFDS)


def is_path(dataset: str) -> bool:
    """Returns whether a data set is named by its directory.

    Args:
        dataset: What a recipe has for it.
    """
    return dataset.startswith(("/", ".", "~"))


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
