"""What a model is asked for: files, folders, tables, texts, arrays, records."""

from __future__ import annotations

import dataclasses
import itertools
import os
import pathlib
import typing

from tf_pseudolabel.lab.data import files, text_folders, tfrecord
from tf_pseudolabel.lab.data.files import listed, shown
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving.about import Column
from tf_pseudolabel.lab.serving.requests import (
    arrays,
    images,
    records,
    tables,
    texts,
)
from tf_pseudolabel.lab.serving.requests.chunk import (
    MOST_FILES,
    Bad,
    Chunk,
    Rows,
)
from tf_pseudolabel.lab.serving.served import Served

__all__ = ["Bad", "Chunk", "Options", "Rows", "chunks"]


@dataclasses.dataclass(frozen=True)
class Options:
    """What files do not say themselves.

    Attributes:
        id_column: Column of tables with a name for every row; None: rows have
            the name of their file and a number, from 0.
        text_column: Column of tables with the texts; None: as in training.
        features_file: Says what records hold, as in training.
    """

    id_column: str | None = None
    text_column: str | None = None
    features_file: str | None = None


def chunks(
    model: Served, paths: typing.Sequence[str], options: Options
) -> typing.Iterator[Chunk]:
    """Cuts inputs into chunks.

    Args:
        model: Who is asked.
        paths: Files and folders, in which files are found at any depth.
        options: `Options`.

    Yields:
        `Chunk`s, in the order of the inputs and of the paths in folders.

    Raises:
        InputError: If an input is missing, or is nothing that the model takes.
    """
    for path in paths:
        place = pathlib.Path(path)
        if place.is_dir():
            yield from _of_folder(model, path)
        elif place.suffix.lower() in tables.SUFFIXES:
            wanted = _columns(model, path, options)
            yield from tables.chunks(path, wanted, options.id_column)
        elif place.suffix.lower() in arrays.SUFFIXES:
            _check_single(model, path)
            yield from arrays.chunks(path, model)
        elif place.suffix.lower() in records.SUFFIXES:
            _check_single(model, path)
            feature = _feature(path, options)
            yield from records.chunks(path, model, feature)
        else:
            suffixes, chunk = _of_files(model)
            _check_file(place, suffixes)
            yield chunk([path])


def _of_folder(model, folder):
    suffixes, chunk = _of_files(model)
    if suffixes is None:
        raise InputError(
            f"a folder must hold images or texts for a model of these; got "
            f"{shown(folder)} for a model of columns or numbers; give files of "
            "rows or of arrays"
        )
    found = (
        path
        for path, error in files.walk(pathlib.Path(folder))
        if os.path.splitext(path)[1].lower() in suffixes
        # A folder that may not be read: it is said of, like a file.
        or isinstance(error, PermissionError)
    )
    some = list(itertools.islice(found, MOST_FILES))
    if not some:
        raise InputError(
            f"a folder must hold files that the model takes ("
            f"{', '.join(x or 'without suffix' for x in suffixes)}); got none "
            f"in {shown(folder)}; correct the path"
        )
    while some:
        yield chunk(some)
        some = list(itertools.islice(found, MOST_FILES))


def _of_files(model):
    """Suffixes of files of a row each, and what makes chunks of them."""
    about = model.about
    if about is not None and about.resize is not None:
        return images.SUFFIXES, lambda x: images.chunk(x, model, about.resize)
    if _takes_texts(model):
        return text_folders.SUFFIXES, lambda x: texts.chunk(x, model)
    return None, None


def _takes_texts(model):
    specs = list(model.inputs.values())
    return (
        len(specs) == 1
        and specs[0].dtype == "string"
        and specs[0].shape.rank == 1
    )


def _check_file(path, suffixes):
    if not path.exists():
        raise InputError(
            f"an input must be a file or a folder that exists; got "
            f"{shown(path)}; correct the path"
        )
    # Whoever names a file means it, whatever its suffix.
    if suffixes is None:
        known = [*tables.SUFFIXES, *arrays.SUFFIXES, *records.SUFFIXES]
        raise InputError(
            f"the model takes no file of a row each, but {', '.join(known)}; "
            f"got {shown(path)}; convert it"
        )


def _columns(model, path, options):
    """The columns that the model takes of tables."""
    if _takes_texts(model):
        (given,) = model.inputs
        known = [x.name for x in model.about.columns] if model.about else []
        name = options.text_column or (known or [None])[0]
        if name is None:
            raise InputError(
                f"of {shown(path)}, --text_column must name the column of "
                "texts; got none; give it"
            )
        return (Column(name, given, "texts"),)
    if options.text_column is not None:
        raise InputError(
            f"--text_column is for models of texts; got "
            f'"{options.text_column}" for another; leave it out'
        )
    if model.about is not None and model.about.columns:
        return model.about.columns
    specs = model.inputs
    if len(specs) > 1 and all(x.shape.rank == 1 for x in specs.values()):
        return tuple(
            Column(
                name, name, "numbers" if x.dtype.is_floating else "categories"
            )
            for name, x in specs.items()
        )
    raise InputError(
        f"a table is for models of columns or texts; got {shown(path)} for one "
        f"of {listed(_described(specs))}; give arrays or files of these"
    )


def _described(specs):
    return [
        f"{name} {x.dtype.name} {tuple(x.shape[1:])}"
        for name, x in specs.items()
    ]


def _check_single(model, path):
    specs = model.inputs
    if len(specs) > 1 or any(x.dtype == "string" for x in specs.values()):
        raise InputError(
            f"arrays and records are for models of numbers or images; got "
            f"{shown(path)} for one of {listed(_described(specs))}; give a "
            "table"
        )


def _feature(path, options):
    if options.features_file is None:
        raise InputError(
            f"of {shown(path)}, --features_file must say what records hold, as "
            "in training; got none; give it"
        )
    feature, _ = tfrecord.features(options.features_file)
    return feature
