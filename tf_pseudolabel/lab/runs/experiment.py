"""A recipe in, a run directory out."""

import contextlib
import dataclasses
import errno
import gc
import itertools
import os
import typing
import warnings

import keras
import tensorflow as tf
from absl import logging

from tf_pseudolabel.distribution import strategies as cluster
from tf_pseudolabel.lab import networks
from tf_pseudolabel.lab.callbacks.best_classifier import best_epoch
from tf_pseudolabel.lab.callbacks.checkpoints import Checkpoints
from tf_pseudolabel.lab.data import splits
from tf_pseudolabel.lab.data.tasks import task_of
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.recipe import read_recipe
from tf_pseudolabel.lab.runs import (
    evaluation,
    jobs,
    pictures,
    results,
    run_directory,
    training,
    watching,
)
from tf_pseudolabel.lab.runs.interruption import Listener
from tf_pseudolabel.lab.runs.records import (
    ARM_FILES,
    check_layout,
    read_metrics,
    read_split,
)
from tf_pseudolabel.lab.runs.results import load_classifier, load_data
from tf_pseudolabel.lab.serving import saved_model
from tf_pseudolabel.monitoring.pseudo_label_monitor import PseudoLabelWarning

# What every arm of a finished run has, and programs print.
FIGURES = (
    "labeled_examples",
    "unlabeled_examples",
    "test_examples",
    "test_error_percent",
    "train_seconds",
)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
# What collectives raise when a peer is gone.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


def run(
    recipe,
    output_dir,
    checkpoint_minutes=10.0,
    keep_checkpoints=3,
    with_pictures=True,
    lowerable=(),
    source=None,
    network=None,
    trainer=None,
):
    """Trains the arms of a recipe and leaves a run directory behind.

    If the directory holds a run of the same recipe that was interrupted, goes
    on from its last checkpoint, and ends as if it had never stopped.

    Args:
        recipe: A `Recipe`.
        output_dir: A directory that is new, empty, or that of such a run. On
            several machines: the same one, seen by all of them.
        checkpoint_minutes: Float: longest time between two checkpoints; every
            epoch ends with one in any case.
        keep_checkpoints: How many of an arm's last checkpoints are kept.
        with_pictures: Whether figures, TensorBoard's projector and the report
            are made at the end, which takes up to a minute.
        lowerable: Names of batch sizes that nobody asked for: fewer rows lower
            them, where others are refused.
        source: `Data`; None: what the recipe names.
        network: As for `Task`; None: what the recipe names.
        trainer: What trains and measures, called as `train_arms` is; None:
            that.

    Returns:
        The content of `metrics.json`: a dict from arm to figures. None on any
        machine but the chief, which writes the files.

    Raises:
        InputError: If the recipe and the data do not fit together, training
            diverges, something cannot be written, or a machine is lost.
        Interrupted: If a signal asked the process to end; all is saved.
    """
    if recipe.deterministic:
        tf.config.experimental.enable_op_determinism()
    strategy = _strategy(recipe)
    shared = run_directory.RunDirectory(output_dir)
    is_chief = cluster.is_chief(strategy)
    own = (
        run_directory.opened(output_dir)
        if is_chief
        else run_directory.discarded()
    )
    with own as run_dir, _precision(recipe), _one_line(shared, strategy):
        jobs.check_recipe(recipe, shared)
        check_layout(shared)
        if (shared / "metrics.json").exists():
            metrics = read_metrics(shared, FIGURES)
            print(f"The run in {output_dir} is finished; nothing is trained.")
            if is_chief and with_pictures:
                _draw_again(run_dir)
            return metrics
        job = jobs.begun(
            recipe, shared, run_dir, strategy, lowerable, source, network
        )
        kept = (checkpoint_minutes, keep_checkpoints)
        place = Place(strategy, shared, run_dir, kept, Listener())
        arms = (trainer or train_arms)(job, place)
        if not is_chief:
            return None
        _write(job, arms, run_dir)
        if with_pictures:
            _draw(run_dir, lambda: _gathered(job, arms, run_dir))
    return arms.metrics


class Place(typing.NamedTuple):
    """Where and how a run trains.

    Attributes:
        strategy: A `tf.distribute.Strategy`.
        shared: The `RunDirectory` that all machines read.
        run_dir: The one to write to; of the chief, the same.
        kept: Minutes between two checkpoints at most, and how many are kept.
        listener: A `Listener`.
    """

    strategy: typing.Any
    shared: typing.Any
    run_dir: typing.Any
    kept: tuple
    listener: Listener


@dataclasses.dataclass
class Arms:
    """What training leaves behind.

    Attributes:
        history: Rows of `history.csv`.
        metrics: Dict from arm to figures; of the chief.
        outputs: Dict from arm to what `evaluation.outputs` returns; the same.
        classifier: The `keras.Model` of the last arm.
    """

    history: list = dataclasses.field(default_factory=list)
    metrics: dict = dataclasses.field(default_factory=dict)
    outputs: dict = dataclasses.field(default_factory=dict)
    classifier: typing.Any = None

    def measure(self, arm, classifier, trained, job):
        """Measures the classifier of an arm, on the test set, too.

        Args:
            arm: An `Arm`.
            classifier: Its `keras.Model`.
            trained: What `train_arm` returned.
            job: The `Job`.
        """
        found = evaluation.outputs(
            classifier, job.task.split, job.recipe.output
        )
        self.classifier = classifier
        self.outputs[arm.name] = found
        self.metrics[arm.name] = {
            **evaluation.figures(found, job.split),
            "test_examples": len(job.split.test),
            **trained.counts,
            "largest_alpha": max(r["alpha"] for r in trained.rows),
            "validation": _validation(trained.rows),
        }


class Trained(typing.NamedTuple):
    """What training an arm leaves behind.

    Attributes:
        classifier: The `keras.Model`.
        counts: Dict of counts, for `metrics.json`.
        rows: Its rows of `history.csv`.
    """

    classifier: typing.Any
    counts: dict
    rows: list


def train_arms(job, place):
    """Trains the arms one after the other, and has the chief measure them.

    Args:
        job: A `Job`.
        place: A `Place`.

    Returns:
        `Arms`.

    Raises:
        InputError: If the directory holds a run of another program.
    """
    if (place.shared / "rounds.json").exists():
        raise InputError(
            f"{place.shared.path} holds rounds of bin/selftrain. Give its "
            "command to go on, or name another --output_dir."
        )
    arms = Arms()
    supervised = [training.SUPERVISED] if job.recipe.baseline else []
    for arm in [*supervised, training.PSEUDO_LABEL]:
        trained = train_arm(arm, job.recipe, job.task, place, arms.history)
        arms.history += trained.rows
        # Else the arm's model is freed amid the next one's collectives, and
        # every machine waits: for seconds, at times for half a minute.
        gc.collect()
        if cluster.is_chief(place.strategy):
            classifier = saved(
                trained.classifier, place.run_dir, ARM_FILES[arm.name]
            )
            arms.measure(arm, classifier, trained, job)
    return arms


def _write(job, arms, run_dir):
    """Writes what a finished run has; `metrics.json` says that it is one."""
    # It may have been lost since the last epoch was written down.
    run_dir.write_history(arms.history)
    _export(arms.classifier, job, run_dir)
    _count_right_alone(arms.metrics, arms.outputs, job.split)
    run_dir.write_json("metrics.json", arms.metrics)


def _gathered(job, arms, run_dir):
    given = (job.recipe, arms.metrics, job.data, job.split, arms.outputs)
    return results.gather(run_dir, *given)


def evaluate(path, source=None):
    """Computes the figures of a finished run once more.

    Args:
        path: A run directory.
        source: The `Data` of a run that was given some; None: what the recipe
            names.

    Returns:
        A pair: the figures computed from the saved classifiers and the
        recorded split, and the content of `metrics.json`.

    Raises:
        InputError: If the directory holds no finished run.
    """
    run_dir = run_directory.RunDirectory(path)
    recorded = read_metrics(run_dir, (*FIGURES, "conditional_entropy"))
    recipe = read_recipe(run_dir / "recipe.json", as_run=True)
    data = load_data(recipe) if source is None else source
    networks.prepare(recipe.network)
    split = splits.restore(data, read_split(run_dir))
    task = task_of(data, split)
    computed = {}
    for arm, figures_of_arm in recorded.items():
        classifier = load_classifier(run_dir / ARM_FILES[arm], task)
        found = evaluation.outputs(classifier, task.split, recipe.output)
        computed[arm] = {
            **figures_of_arm,
            **evaluation.figures(found, split),
        }
    return computed, recorded


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


def _strategy(recipe):
    name = recipe.strategy
    try:
        if name == "multi_worker" and cluster.cluster_resolver() is None:
            raise InputError(
                "--strategy=multi_worker needs TF_CONFIG, or a SLURM step with "
                "several tasks, to know the machines; neither is set. See "
                "docs/distributed.md, or try it out with --local_workers=2."
            )
        return cluster.get_strategy(name)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"--strategy={name}: {error}") from error


@contextlib.contextmanager
def _one_line(shared, strategy):
    """Says in one line that the disk is full, or another machine is lost."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        # An image that may not be read is another matter.
        ours = str(shared.path) in str(error)
        for reason in map(os.strerror, _FULL + _FORBIDDEN * ours):
            if reason in str(error):
                raise InputError(
                    f"Nothing can be written to {shared.path}: {reason}. Make "
                    "room, and give the same command again to go on."
                ) from error
        if not (isinstance(error, _LOST) and cluster.is_multi_worker(strategy)):
            raise
        raise InputError(
            f"Another machine stopped answering ({type(error).__name__}). Give "
            "the same command on every machine to go on from the last "
            "checkpoint."
        ) from error


def train_arm(arm, recipe, task, place, history=(), after=None):
    """Trains an arm, from where its checkpoints say.

    Args:
        arm: An `Arm`.
        recipe: A `Recipe`.
        task: A `Task`.
        place: A `Place`.
        history: Rows of `history.csv` of the arms before.
        after: As for `training.train`.

    Returns:
        `Trained`.
    """
    split, strategy = task.split, place.strategy
    checkpoints = Checkpoints(
        place.shared / "checkpoints" / arm.name,
        strategy,
        place.listener,
        *place.kept,
        watching.monitor(arm, recipe, split, place.run_dir),
        arm.name,
    )
    start = _start(arm, recipe, checkpoints)
    logging.info(
        "Training the %s arm from epoch %d: %d labeled, %d unlabeled examples.",
        arm.name,
        start,
        len(split.labeled),
        len(split.unlabeled) if arm.unlabeled else 0,
    )
    with warnings.catch_warnings(), place.listener.listening():
        # `watching` prints alarms, without the line of code that raised them.
        warnings.simplefilter("ignore", PseudoLabelWarning)
        classifier, counts = training.train(
            arm,
            recipe,
            task,
            strategy,
            watching.callbacks(
                arm, recipe, checkpoints, place.run_dir, history
            ),
            start,
            checkpoints.batch,
            after,
        )
    epochs = len(checkpoints.rows)
    counts |= {
        "updates": training.updates_of(arm, recipe, split, epochs),
        "epochs": epochs,
        "train_seconds": round(checkpoints.seconds, 2),
    }
    return Trained(classifier, counts, checkpoints.rows)


def _start(arm, recipe, checkpoints):
    """The epoch to go on with; says so where it is not the first."""
    start = checkpoints.epoch
    if not cluster.same_everywhere(
        checkpoints.strategy, start, checkpoints.batch
    ):
        raise InputError(
            "All machines must see the same --output_dir; the checkpoints they "
            "found there differ. Put it on a file system that they share."
        )
    if start or checkpoints.batch:
        print(
            f"Continuing the interrupted run: {arm.name} after {start} of "
            f"{recipe.epochs} epochs and {checkpoints.batch} batches."
        )
    monitor = checkpoints.monitor
    if monitor is not None and monitor.stopped:
        return recipe.epochs  # An alarm has ended this arm.
    return start


def _validation(rows):
    """The final and the best validation accuracy of an arm."""
    best = best_epoch(rows)
    return {
        "accuracy": rows[-1]["val_accuracy"],
        "best_accuracy": best["val_accuracy"],
        "best_epoch": best["epoch"],
    }


def _count_right_alone(metrics, outputs, split):
    """Counts the test rows that one arm alone gets right."""
    right = {arm: evaluation.right(o, split) for arm, o in outputs.items()}
    if len(right) == 2:
        for arm, other in itertools.permutations(right):
            alone = right[arm] & ~right[other]
            metrics[arm]["right_alone"] = int(alone.sum())


def _draw_again(run_dir):
    """Makes the pictures of a run that was ended before it had them."""
    if not (run_dir / "report.html").exists():
        _draw(run_dir, lambda: results.load(run_dir.path))


def _draw(run_dir, gather):
    pictures.attempt(
        run_dir / "report.html", lambda path: pictures.write(gather(), run_dir)
    )


def saved(classifier, run_dir, name):
    """Saves a classifier, and loads it for the one device that measures it.

    Args:
        classifier: A `keras.Model`.
        run_dir: A `RunDirectory`.
        name: Path of a `.keras` file in it.

    Returns:
        A `keras.Model`.
    """
    with run_dir.replacing(name) as partial:
        classifier.save(partial)
    return load_classifier(run_dir / name)


def _export(classifier, job, run_dir):
    with run_dir.replacing("saved_model") as partial:
        saved_model.write(
            classifier,
            job.task.encoding,
            job.data.kind,
            job.data.class_names,
            job.recipe.output,
            partial,
        )
