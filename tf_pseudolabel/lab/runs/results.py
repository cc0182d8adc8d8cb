"""What a finished run left behind, read and computed for looking at."""

import dataclasses
import functools
import pathlib

import keras
import numpy as np

from tf_pseudolabel.lab import networks
from tf_pseudolabel.lab.analysis import embedding
from tf_pseudolabel.lab.data import sources, splits
from tf_pseudolabel.lab.data.kinds import Kind
from tf_pseudolabel.lab.data.splits import Split
from tf_pseudolabel.lab.data.tasks import task_of
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.recipe import Recipe, read_recipe, size_of
from tf_pseudolabel.lab.runs import evaluation, run_directory
from tf_pseudolabel.lab.runs.records import (
    ARM_FILES,
    read_class_names,
    read_history,
    read_metrics,
    read_record,
    read_split,
    read_warnings,
)


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
        kind: The `Kind` of the inputs.
        split: The `Split`, of raw inputs.
        probabilities: Dict from arm to what `evaluation.outputs` returns.
    """

    path: pathlib.Path
    recipe: Recipe
    record: dict
    metrics: dict
    history: list[dict]
    warnings: list[dict]
    class_names: tuple[str, ...]
    kind: Kind
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


def load(path, source=None):
    """Reads a finished run, and has its classifiers predict once more.

    Args:
        path: A run directory.
        source: The `Data` of a run that was given some; None: what the recipe
            names.

    Returns:
        A `Results`.

    Raises:
        InputError: If the directory holds no finished run, or its data are
            not to be had.
    """
    run_dir = run_directory.RunDirectory(path)
    metrics = read_metrics(run_dir)
    recipe = read_recipe(run_dir / "recipe.json", as_run=True)
    data = load_data(recipe) if source is None else source
    networks.prepare(recipe.network)
    split = splits.restore(data, read_split(run_dir))
    task = task_of(data, split)
    probabilities = {
        arm: evaluation.outputs(
            load_classifier(run_dir / file, task), task.split, recipe.output
        )
        for arm, file in ARM_FILES.items()
        if arm in metrics
    }
    return gather(run_dir, recipe, metrics, data, split, probabilities)


def gather(run_dir, recipe, metrics, data, split, probabilities):
    """Puts together what is known of a run whose arms are trained.

    Args:
        run_dir: Its `RunDirectory`; history and warnings are read from there.
        recipe: Its `Recipe`.
        metrics: What `metrics.json` holds, or will hold.
        data: Its `Data`.
        split: Its `Split`.
        probabilities: As in `Results`.

    Returns:
        A `Results`.

    Raises:
        InputError: If a file of the run is missing or broken.
    """
    return Results(
        path=run_dir.path,
        recipe=recipe,
        record=read_record(run_dir),
        metrics=metrics,
        history=_history(run_dir, len(data.class_names)),
        warnings=read_warnings(run_dir),
        class_names=read_class_names(run_dir, data),
        kind=data.kind,
        split=split,
        probabilities=probabilities,
    )


def load_data(recipe):
    """Loads the examples that a recipe names.

    Args:
        recipe: A `Recipe`.

    Returns:
        A `Data`.
    """
    source = sources.of(recipe.dataset)
    values = {name: getattr(recipe, name) for name in source.fields}
    size = size_of(recipe)
    if size is not None:
        values["image_size"] = size
    return sources.load(**{"dataset": recipe.dataset, **values})


def load_classifier(file, task=None):
    """Loads a classifier that a run saved.

    Args:
        file: Path of a `.keras` file.
        task: The `Task` that it is to do. Defaults to any.

    Returns:
        A `keras.Model` from encoded rows to logits.

    Raises:
        InputError: If the file is missing or broken, or that of other data.
    """
    try:
        classifier = keras.saving.load_model(file, compile=False)
        shapes = classifier.input_shape[1:], classifier.output_shape[1:]
    except Exception as error:  # One for every way to be damaged.
        raise InputError(
            f"A finished run holds a classifier in {file}, which cannot be "
            f"loaded ({type(error).__name__}). Run bin/train again."
        ) from error
    if task is not None:
        expected = tuple(task.encoding.spec.shape), (task.classes,)
        if shapes != expected:
            raise InputError(
                f"{file} must be a classifier of this run, from rows of "
                f"{expected[0]} to outputs {expected[1]}; got one from "
                f"{shapes[0]} to {shapes[1]}. Run bin/train again."
            )
    return classifier


def _history(run_dir, classes):
    history = read_history(run_dir / "history.csv")
    for row in history:
        shares = row["class_shares"]
        if shares is not None and len(shares) != classes:
            raise InputError(
                f"history.csv must hold a class share for each of {classes} "
                f"classes; got {len(shares)} in epoch {row['epoch']} in "
                f"{run_dir.path}. Put back the file that bin/train wrote."
            )
    return history
