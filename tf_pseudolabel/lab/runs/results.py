"""What a finished run left behind, read and computed for looking at."""

import csv
import dataclasses
import functools
import math
import pathlib
import zipfile

import keras
import numpy as np

from tf_pseudolabel.lab.analysis import embedding
from tf_pseudolabel.lab.data import sources, splits
from tf_pseudolabel.lab.data.splits import Split
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.recipe import Recipe, read_recipe
from tf_pseudolabel.lab.runs import evaluation, run_directory

# Where a run keeps the classifier of each arm, in the order of training.
ARM_FILES = {
    "supervised": "checkpoints/supervised.keras",
    "pseudo_label": "classifier.keras",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """A finished run.

    Args:
        path: The run directory.
        recipe: Its `Recipe`.
        record: The content of `recipe.json`: also when, and with which
            versions, it ran.
        metrics: The content of `metrics.json`: a dict from arm to figures.
        history: The rows of `history.csv`, a dict each: `arm` is a string,
            `epoch` an int, `class_shares` a float array `(classes,)` or None,
            anything else a float, NaN where unknown.
        warnings: Dicts with `epoch`, `alarm` and `text`, in order.
        class_names: Names of classes 0 to C-1.
        max_value: The pixel value of white.
        split: The `Split`, with its images and labels.
        probabilities: Dict from arm to a dict from `"unlabeled"` and
            `"test"` to float32 outputs `(n, classes)` on these rows.
    """

    path: pathlib.Path
    recipe: Recipe
    record: dict
    metrics: dict
    history: list[dict]
    warnings: list[dict]
    class_names: tuple[str, ...]
    max_value: float
    split: Split
    probabilities: dict[str, dict[str, np.ndarray]]

    @functools.cached_property
    def plane(self):
        """Test rows in the plane, by t-SNE; computed once, as it takes long.

        A pair: the sorted indices of the rows `(n,)`, and a dict from arm to
        their places, float array `(n, 2)`.
        """
        rows = embedding.sample_rows(
            len(self.split.test), seed=self.recipe.seed
        )
        return rows, {
            arm: embedding.embed(outputs["test"][rows], self.recipe.seed)
            for arm, outputs in self.probabilities.items()
        }


def load(path):
    """Reads a finished run, and has its classifiers predict once more.

    Args:
        path: A run directory.

    Returns:
        A `Results`.

    Raises:
        InputError: If the directory holds no finished run, or its data are
            not to be had.
    """
    run_dir = run_directory.RunDirectory(path)
    metrics = read_metrics(run_dir)
    recipe = read_recipe(run_dir / "recipe.json", as_run=True)
    data = load_data(recipe)
    split = splits.restore(data, run_dir.read_json("split.json"))
    classifiers = {
        arm: load_classifier(run_dir / file)
        for arm, file in ARM_FILES.items()
        if arm in metrics
    }
    return gather(run_dir, recipe, metrics, data, split, classifiers)


def gather(run_dir, recipe, metrics, data, split, classifiers):
    """Puts together what is known of a run whose arms are trained.

    Args:
        run_dir: Its `RunDirectory`; history and warnings are read from there.
        recipe: Its `Recipe`.
        metrics: What `metrics.json` holds, or will hold.
        data: Its `ImageData`.
        split: Its `Split`.
        classifiers: Dict from arm to its `keras.Model`.

    Returns:
        A `Results`.

    Raises:
        InputError: If a file of the run is missing or broken.
    """
    return Results(
        path=run_dir.path,
        recipe=recipe,
        record=run_dir.read_json("recipe.json"),
        metrics=metrics,
        history=read_history(run_dir / "history.csv"),
        warnings=_read_warnings(run_dir),
        class_names=data.class_names,
        max_value=data.max_value,
        split=split,
        probabilities={
            arm: _predict(classifier, split, recipe)
            for arm, classifier in classifiers.items()
        },
    )


def load_data(recipe):
    """Loads the images that a recipe names.

    Args:
        recipe: A `Recipe`.

    Returns:
        An `ImageData`.
    """
    size = recipe.image_size
    return sources.load(
        recipe.dataset,
        data_dir=recipe.data_dir,
        labeled_dir=recipe.labeled_dir,
        unlabeled_dir=recipe.unlabeled_dir,
        test_dir=recipe.test_dir,
        validation_dir=recipe.validation_dir,
        image_size=None if size is None else (size, size),
    )


def load_classifier(file):
    """Loads a classifier that a run saved.

    Args:
        file: Path of a `.keras` file.

    Returns:
        A `keras.Model` from images to logits.

    Raises:
        InputError: If the file is missing or broken.
    """
    try:
        return keras.saving.load_model(file, compile=False)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"A finished run holds a classifier in {file}, which cannot be "
            f"loaded ({type(error).__name__}). Run bin/train again."
        ) from error


def read_metrics(run_dir):
    """Reads the figures of a finished run.

    Args:
        run_dir: Its `RunDirectory`.

    Returns:
        The content of `metrics.json`: a dict from arm to figures.

    Raises:
        InputError: If the run is not finished, or the file holds other things.
    """
    metrics = run_dir.read_json("metrics.json")
    if (
        not isinstance(metrics, dict)
        or not metrics
        or not metrics.keys() <= {*ARM_FILES}
        or not all(isinstance(arm, dict) for arm in metrics.values())
    ):
        raise InputError(
            f"metrics.json must hold figures of {' and '.join(ARM_FILES)}; "
            f"that of {run_dir.path} does not. Run bin/train again."
        )
    return metrics


def read_history(file):
    """Reads a run's figures of every epoch.

    Args:
        file: Path of `history.csv`. Columns may be missing: those of older
            runs are.

    Returns:
        The list `Results.history`.

    Raises:
        InputError: If the file is missing or a cell is no number.
    """
    try:
        with open(file, newline="", encoding="utf-8") as lines:
            return [_row(cells) for cells in csv.DictReader(lines)]
    except OSError as error:
        problem = error.strerror
    except (KeyError, TypeError, ValueError) as error:
        problem = f"{type(error).__name__}: {error}"
    raise InputError(
        f"{file} must hold a row of figures per arm and epoch; got: {problem}. "
        "Run bin/train again."
    )


def _row(cells):
    shares = cells.pop("class_shares", None)
    row = {"arm": cells.pop("arm"), "epoch": int(cells.pop("epoch"))}
    row |= {name: float(cell or math.nan) for name, cell in cells.items()}
    row["class_shares"] = np.array(shares.split(), float) if shares else None
    return row


def _read_warnings(run_dir):
    """Runs had none before there were alarms."""
    if not (run_dir / "warnings.json").exists():
        return []
    found = run_dir.read_json("warnings.json")
    if not isinstance(found, list) or not all(
        isinstance(alarm, dict) and {"epoch", "alarm", "text"} <= alarm.keys()
        for alarm in found
    ):
        raise InputError(
            "warnings.json must hold a list of alarms with epoch, alarm and "
            f"text; that of {run_dir.path} does not. Run bin/train again."
        )
    return found


def _predict(classifier, split, recipe):
    return {
        name: evaluation.probabilities(
            classifier, getattr(split, name), recipe.output
        )
        for name in ("unlabeled", "test")
    }
