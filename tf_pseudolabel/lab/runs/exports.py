"""A finished run's classifier in the formats that others serve."""

import typing

import keras
import numpy as np

from tf_pseudolabel import compat, serving
from tf_pseudolabel.lab.data import splits
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.recipe import read_recipe
from tf_pseudolabel.lab.runs import results, run_directory
from tf_pseudolabel.lab.runs.records import (
    PREPROCESSING,
    read_metrics,
    read_split,
)
from tf_pseudolabel.lab.serving import about, exporting
from tf_pseudolabel.lab.serving.formats import FORMATS, Trained

# Test rows that an exported file is compared on, at most.
_ROWS = 1000
_AGAIN = "Run bin/train again."


class Outcome(typing.NamedTuple):
    """What `export` did.

    Attributes:
        exported: An `Exported`.
        compared: On which rows it was compared with the classifier: words.
        lost: What the file does not have of the classifier, a sentence each.
    """

    exported: exporting.Exported
    compared: str
    lost: list[str]


def export(path, format, output, version=None, trust=False):
    """Exports the classifier of a finished run.

    Args:
        path: A run directory.
        format: One of `FORMATS`.
        output: As for `exporting.export`.
        version: As for `exporting.export`.
        trust: Bool: whether a network of the run's own may be executed.

    Returns:
        An `Outcome`.

    Raises:
        InputError: If the directory holds no finished run that can be loaded,
            or as `exporting.export` does.
    """
    exporting.check(format, output, version)
    run_dir = run_directory.RunDirectory(path)
    read_metrics(run_dir)  # Is it finished?
    recipe = read_recipe(run_dir / "recipe.json", as_run=True)
    trained = _trained(run_dir, recipe, trust)
    rows, compared = _rows(run_dir, recipe, trained)
    lost = _lost(FORMATS[format], trained.model)
    exported = exporting.export(trained, format, output, rows, version)
    return Outcome(exported, compared, lost)


def _trained(run_dir, recipe, trust):
    served = run_dir / "saved_model"
    known = about.read(served)
    if known is None:
        raise InputError(
            f"{served} must be a SavedModel that knows its classes; those of "
            f"earlier versions do not. {_AGAIN}"
        )
    ((_, classifier),) = results.load_classifiers(
        run_dir, ["pseudo_label"], recipe, trust=trust
    )
    model = serving.with_labels(
        classifier, known.class_names, _preprocessing(run_dir), recipe.output
    )
    return Trained(model, served, known)


def _preprocessing(run_dir):
    """The model from raw inputs to what the classifier takes; None: none."""
    file = run_dir / PREPROCESSING
    if not file.exists():
        return None
    try:
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # One for every way to be damaged.
        raise InputError(
            f"A run keeps how inputs are encoded in {file}, which cannot be "
            f"loaded ({type(error).__name__}). {_AGAIN}"
        ) from error


def _rows(run_dir, recipe, trained):
    """Rows to compare on, and which these are, in words."""
    try:
        data = results.load_data(recipe)
        test = splits.restore(data, read_split(run_dir)).test
    except InputError as error:
        rows = exporting.random_rows(trained)
        why = f"{exporting.BATCH} random rows, as the data cannot be read: "
        return rows, f"{why}{error}"
    count = min(len(test), _ROWS)
    return test.take(np.arange(count)).read(), f"{count:,} test rows"


def _lost(row, model):
    """What a format does not have of a classifier, a sentence each."""
    if row.strings:
        return []
    lost = [
        f"{row.title} holds numbers alone: it gives probabilities, and their "
        "classes are named in the .json file."
    ]
    half = {
        layer.compute_dtype
        for layer in compat.layers_in(model)
        if layer.compute_dtype in ("bfloat16", "float16")
    }
    if half:
        lost.append(
            f"It computes in float32, where the run did in {half.pop()}."
        )
    return lost
