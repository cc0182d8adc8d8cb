"""What a finished run left behind, read and computed for looking at."""

import concurrent.futures
import dataclasses
import functools
import pathlib

import keras
import numpy as np

from tf_pseudolabel import compat
from tf_pseudolabel.lab import networks
from tf_pseudolabel.lab.analysis import embedding
from tf_pseudolabel.lab.data import sources, splits, variants
from tf_pseudolabel.lab.data.kinds import Kind
from tf_pseudolabel.lab.data.splits import Split
from tf_pseudolabel.lab.data.tasks import task_of
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.image_size import size_of
from tf_pseudolabel.lab.recipes.recipe import Recipe, read_recipe
from tf_pseudolabel.lab.runs import evaluation, run_directory
from tf_pseudolabel.lab.runs.records import (
    ARM_FILES,
    read_class_names,
    read_history,
    read_metrics,
    read_record,
    read_search,
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
        search: Strings: what a search for the preset came to; empty: there
            was none.
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
    search: list[str]
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

        def place(outputs):
            return embedding.embed(outputs["test"][rows], self.recipe.seed)

        # A core each: t-SNE takes its time outside of Python.
        with concurrent.futures.ThreadPoolExecutor() as pool:
            places = list(pool.map(place, self.probabilities.values()))
        return rows, dict(zip(self.probabilities, places, strict=True))


def load(path, source=None, trust=False):
    """Reads a finished run, and has its classifiers predict once more.

    Args:
        path: A run directory.
        source: The `Data` of a run that was given some; None: what the recipe
            names.
        trust: Bool: whether a network of the run's own may be executed.

    Returns:
        A `Results`.

    Raises:
        InputError: If the directory holds no finished run, its data are not to
            be had, or its classifiers cannot be loaded without that.
    """
    run_dir = run_directory.RunDirectory(path)
    metrics = read_metrics(run_dir)
    recipe = read_recipe(run_dir / "recipe.json", as_run=True)
    data = load_data(recipe) if source is None else source
    split = splits.restore(data, read_split(run_dir))
    task = task_of(data, split)
    classifiers = load_classifiers(run_dir, metrics, recipe, task, trust)
    probabilities = {
        arm: evaluation.outputs(classifier, task.split, recipe.output)
        for arm, classifier in classifiers
    }
    return gather(run_dir, recipe, metrics, data, split, probabilities)


def load_classifiers(run_dir, arms, recipe, task=None, trust=False):
    """Loads what a run has trained, which is data and not code.

    Args:
        run_dir: Its `RunDirectory`.
        arms: Names of arms.
        recipe: Its `Recipe`.
        task: As for `load_classifier`.
        trust: Bool: whether the file or module of `recipe.network` may be
            executed, in which layers may be defined. Defaults to not.

    Yields:
        Pairs of an arm and its `keras.Model`.

    Raises:
        InputError: As for `load_classifier`.
    """
    remedy = "Run bin/train again."
    if trust:
        networks.prepare(recipe.network)
    elif networks.is_own(recipe.network):
        remedy = (
            f"Layers of its own are in {recipe.network}, which is executed "
            "with --trust alone: give it if you trust whoever made the run."
        )
    for arm, file in ARM_FILES.items():
        if arm in arms:
            yield arm, load_classifier(run_dir / file, task, remedy)


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
        search=read_search(run_dir),
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
    data = sources.load(**{"dataset": recipe.dataset, **values})
    if recipe.imbalance > 1:
        data = variants.long_tailed(data, recipe.imbalance, recipe.seed)
    if recipe.known_classes is not None:
        data = variants.open_set(data, recipe.known_classes)
    return data


def load_classifier(file, task=None, remedy="Run bin/train again."):
    """Loads a classifier that a run saved, in Keras' safe mode.

    Args:
        file: Path of a `.keras` file.
        task: The `Task` that it is to do. Defaults to any.
        remedy: What to do if it cannot be loaded: a sentence.

    Returns:
        A `keras.Model` from encoded rows to logits.

    Raises:
        InputError: If the file is missing or broken, or that of other data.
    """
    try:
        classifier = keras.saving.load_model(
            file, compile=False, safe_mode=True
        )
        shapes = classifier.input_shape[1:], classifier.output_shape[1:]
    except Exception as error:  # One for every way to be damaged.
        if "Lambda" in compat.told(error):
            raise InputError(
                f"{file} must hold data alone, as it may be another's; got a "
                "Lambda layer, which is code. Make the layer a class, and run "
                "bin/train again."
            ) from error
        raise InputError(
            f"A finished run holds a classifier in {file}, which cannot be "
            f"loaded ({type(error).__name__}). {remedy}"
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
