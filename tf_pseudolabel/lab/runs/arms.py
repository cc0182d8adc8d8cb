"""Trains the arms of a run, each from where its checkpoints say."""

import dataclasses
import gc
import typing
import warnings

from absl import logging

from tf_pseudolabel.distribution import strategies as cluster
from tf_pseudolabel.lab.callbacks.best_classifier import best_epoch
from tf_pseudolabel.lab.callbacks.checkpoints import Checkpoints
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs import evaluation, training, watching
from tf_pseudolabel.lab.runs.interruption import Listener
from tf_pseudolabel.lab.runs.records import ARM_FILES
from tf_pseudolabel.lab.runs.results import load_classifier
from tf_pseudolabel.monitoring.pseudo_label_monitor import PseudoLabelWarning


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
        if cluster.is_multi_worker(place.strategy):
            # Else the arm's model is freed amid the next one's collectives, and
            # every machine waits: for seconds, at times for half a minute.
            gc.collect()
        if cluster.is_chief(place.strategy):
            classifier = saved(
                trained.classifier, place.run_dir, ARM_FILES[arm.name]
            )
            arms.measure(arm, classifier, trained, job)
    return arms


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
