"""A recipe in, a run directory out."""

import contextlib
import dataclasses
import datetime
import importlib.metadata
import os
import platform
import zipfile

import keras
from absl import logging

import tf_pseudolabel
from tf_pseudolabel import cluster, evaluation, run_directory, training
from tf_pseudolabel.analysis import embedding, figures
from tf_pseudolabel.callbacks.epoch_progress import EpochProgress
from tf_pseudolabel.callbacks.stop_on_nan import StopOnNaN
from tf_pseudolabel.data import sources, splits
from tf_pseudolabel.errors import InputError
from tf_pseudolabel.recipes.recipe import read_recipe

_RECORDED = ("tensorflow", "keras", "numpy", "tensorflow-datasets")
_ARM_FILES = {
    "supervised": "checkpoints/supervised.keras",
    "pseudo_label": "classifier.keras",
}


def run(recipe, output_dir):
    """Trains the arms of a recipe and leaves a run directory behind.

    Args:
        recipe: A `Recipe`.
        output_dir: A directory that is new or empty.

    Returns:
        The content of `metrics.json`: a dict from arm to figures.

    Raises:
        InputError: If the recipe and the data do not fit together, or training
            diverges.
    """
    with run_directory.create(output_dir) as run_dir, _precision(recipe):
        data = load_data(recipe)
        split = draw_split(recipe, data)
        strategy = cluster.get_strategy(recipe.strategy)
        _check_batches(recipe, split, strategy)
        training.build_classifier(recipe, data)  # Images that do not fit?
        run_dir.write_json("recipe.json", _record(recipe))
        run_dir.write_json("split.json", split.ids())

        history, metrics, classifiers = [], {}, {}
        arms = [training.SUPERVISED] if recipe.baseline else []
        for arm in [*arms, training.PSEUDO_LABEL]:
            logging.info(
                "Training the %s arm: %d labeled, %d unlabeled examples.",
                arm.name,
                len(split.labeled),
                len(split.unlabeled) if arm.unlabeled else 0,
            )
            classifier, counts = training.train(
                arm,
                recipe,
                data,
                split,
                strategy,
                _callbacks(arm, recipe, run_dir, history),
            )
            classifiers[arm.name] = classifier
            metrics[arm.name] = {
                **evaluation.measure(classifier, split, recipe.output),
                "test_examples": len(split.test),
                **counts,
            }
        _save(classifiers["pseudo_label"], run_dir)
        run_dir.write_json("metrics.json", metrics)
        _draw(recipe, data, split, history, classifiers, run_dir)
    return metrics


def evaluate(path):
    """Computes the figures of a finished run once more.

    Args:
        path: A run directory.

    Returns:
        A pair: the figures computed from the saved classifiers and the
        recorded split, and the content of `metrics.json`.

    Raises:
        InputError: If the directory holds no finished run.
    """
    run_dir = run_directory.RunDirectory(path)
    recorded = run_dir.read_json("metrics.json")
    if (
        not isinstance(recorded, dict)
        or not recorded
        or not recorded.keys() <= {*_ARM_FILES}
        or not all(isinstance(arm, dict) for arm in recorded.values())
    ):
        raise InputError(
            f"metrics.json must hold figures of {' and '.join(_ARM_FILES)}; "
            f"that of {path} does not. Run bin/train again."
        )
    recipe = read_recipe(run_dir / "recipe.json")
    data = load_data(recipe)
    split = splits.restore(data, run_dir.read_json("split.json"))
    computed = {}
    for arm, figures_of_arm in recorded.items():
        classifier = _load_classifier(run_dir / _ARM_FILES[arm])
        computed[arm] = {
            **figures_of_arm,
            **evaluation.measure(classifier, split, recipe.output),
        }
    return computed, recorded


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
        image_size=None if size is None else (size, size),
    )


def draw_split(recipe, data):
    """Draws the labeled, unlabeled, validation and test rows of a recipe.

    Args:
        recipe: A `Recipe`.
        data: What `load_data` returned for it.

    Returns:
        A `Split`.
    """
    return splits.draw(
        data,
        num_labeled=recipe.num_labeled,
        num_validation=recipe.num_validation,
        num_test=recipe.num_test,
        num_unlabeled=recipe.num_unlabeled,
        seed=recipe.seed,
    )


def _load_classifier(file):
    try:
        return keras.saving.load_model(file, compile=False)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"A finished run holds a classifier in {file}, which cannot be "
            f"loaded ({type(error).__name__}). Run bin/train again."
        ) from error


def _precision(recipe):
    """The dtype policy of the recipe, for as long as the context lasts."""
    if recipe.mixed_precision is None:
        return contextlib.nullcontext()
    return _dtype_policy(f"mixed_{recipe.mixed_precision}")


@contextlib.contextmanager
def _dtype_policy(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _check_batches(recipe, split, strategy):
    replicas = strategy.num_replicas_in_sync
    for name in ("labeled", "unlabeled"):
        rows = len(getattr(split, name))
        batch = getattr(recipe, f"{name}_batch")
        if batch > rows:
            raise InputError(
                f"--{name}_batch must not exceed the {name} examples; got "
                f"{batch} for {rows} examples. Lower it to {rows} or less."
            )
        if batch % replicas:
            raise InputError(
                f"--{name}_batch is shared by {replicas} replicas and must be "
                f"a multiple of {replicas}; got {batch}."
            )


def _record(recipe):
    return {
        "recipe": dataclasses.asdict(recipe),
        "started": datetime.datetime.now().isoformat(timespec="seconds"),
        "versions": {
            "tf_pseudolabel": tf_pseudolabel.__version__,
            "python": platform.python_version(),
            **{name: _version(name) for name in _RECORDED},
        },
        "environment": {
            name: os.environ.get(name)
            for name in ("TF_ENABLE_ONEDNN_OPTS", "TFDS_DATA_DIR")
        },
    }


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _callbacks(arm, recipe, run_dir, history):
    """What every arm gets. The order matters: NaN is found before saving."""

    def keep(epoch, logs):
        row = {"arm": arm.name, "epoch": epoch, "alpha": 0.0, **logs}
        history.append({key: _plain(value) for key, value in row.items()})
        run_dir.write_history(history)

    return [
        StopOnNaN(),
        keras.callbacks.LambdaCallback(on_epoch_end=keep),
        _Checkpoint(run_dir, f"checkpoints/{arm.name}.keras"),
        keras.callbacks.TensorBoard(
            run_dir / "tensorboard" / arm.name, write_graph=False
        ),
        EpochProgress(arm.name, recipe.epochs, _SHOWN),
    ]


class _Checkpoint(keras.callbacks.Callback):
    """Saves the model after every epoch; never leaves half a file."""

    def __init__(self, run_dir, name):
        super().__init__()
        self.run_dir = run_dir
        self.name = name

    def on_epoch_end(self, epoch, logs=None):
        with self.run_dir.replacing(self.name) as partial:
            self.model.save(partial)


_SHOWN = ("alpha", "accuracy", "val_accuracy", "pseudo_label_accuracy")


def _plain(value):
    return value if isinstance(value, (str, int)) else float(value)


def _save(classifier, run_dir):
    with run_dir.replacing("classifier.keras") as partial:
        classifier.save(partial)
    partial = run_dir / ".partial-saved_model"
    classifier.export(partial, verbose=False)
    partial.rename(run_dir / "saved_model")


def _draw(recipe, data, split, history, classifiers, run_dir):
    """Writes the figures."""
    folder = run_dir / "figures"
    folder.mkdir()
    figures.learning_curves(history, folder / "learning_curves.png")
    if len(split.test) >= embedding.MIN_ROWS:
        rows = embedding.sample_rows(len(split.test), seed=recipe.seed)
        shown = split.test.take(rows)
        panels = {
            arm.replace("_", "-"): embedding.embed(
                evaluation.probabilities(classifier, shown, recipe.output),
                recipe.seed,
            )
            for arm, classifier in classifiers.items()
        }
        figures.embeddings(
            panels, shown.labels, data.class_names, folder / "tsne.png"
        )
    if (split.unlabeled.labels < 0).any():
        logging.info("Unlabeled classes unknown: no sheet of mistakes.")
        return
    outputs = evaluation.probabilities(
        classifiers["pseudo_label"], split.unlabeled, recipe.output
    )
    figures.confident_mistakes(
        split.unlabeled.images,
        split.unlabeled.labels,
        outputs.argmax(axis=-1),
        outputs.max(axis=-1),
        data.class_names,
        folder / "confident_mistakes.png",
        max_value=data.max_value,
    )
