"""A recipe in, a run directory out."""

import contextlib
import errno
import itertools
import os

import keras
import tensorflow as tf

from tf_pseudolabel.distribution import strategies as cluster
from tf_pseudolabel.lab.data import splits
from tf_pseudolabel.lab.data.tasks import task_of
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.recipe import read_recipe
from tf_pseudolabel.lab.runs import (
    evaluation,
    jobs,
    results,
    run_directory,
)
from tf_pseudolabel.lab.runs.arms import Place, train_arms
from tf_pseudolabel.lab.runs.interruption import Listener
from tf_pseudolabel.lab.runs.records import (
    PREPROCESSING,
    check_layout,
    read_metrics,
    read_split,
)
from tf_pseudolabel.lab.runs.results import (
    load_classifiers,
    load_data,
)
from tf_pseudolabel.lab.serving import saved_model

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
    tell=lambda metrics: None,
):
    """Trains the arms of a recipe and leaves a run directory behind.

    If the directory holds a run of the same recipe that was interrupted, goes
    on from its last checkpoint, and ends as if it had never stopped.

    Args:
        recipe: A `Recipe`.
        output_dir: A directory that is new, empty, or that of such a run. On
            several machines: the same one, seen by all of them.
        checkpoint_minutes: Float: longest time between two checkpoints; an
            epoch ends with one, too, if that costs little beside it.
        keep_checkpoints: How many of an arm's last checkpoints are kept.
        with_pictures: Whether figures, TensorBoard's projector and the report
            are made at the end, which takes up to a minute.
        lowerable: Names of batch sizes that nobody asked for: fewer rows lower
            them, where others are refused.
        source: `Data`; None: what the recipe names.
        network: As for `Task`; None: what the recipe names.
        trainer: What trains and measures, called as `arms.train_arms` is;
            None: that.
        tell: Called with the content of `metrics.json` once it is written, so
            that nobody waits for pictures to hear of results.

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
    with own as run_dir, precision(recipe), _one_line(shared, strategy):
        jobs.check_recipe(recipe, shared)
        check_layout(shared)
        if (shared / "metrics.json").exists():
            metrics = read_metrics(shared, FIGURES)
            print(f"The run in {output_dir} is finished; nothing is trained.")
            if is_chief:
                tell(metrics)
                if with_pictures:
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
        tell(arms.metrics)
        if with_pictures:
            _draw(run_dir, lambda: _gathered(job, arms, run_dir))
    return arms.metrics


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


def evaluate(path, source=None, trust=False):
    """Computes the figures of a finished run once more.

    Args:
        path: A run directory.
        source: The `Data` of a run that was given some; None: what the recipe
            names.
        trust: Bool: whether a network of the run's own may be executed.

    Returns:
        A pair: the figures computed from the saved classifiers and the
        recorded split, and the content of `metrics.json`.

    Raises:
        InputError: If the directory holds no finished run, or its classifiers
            cannot be loaded without executing something.
    """
    run_dir = run_directory.RunDirectory(path)
    recorded = read_metrics(run_dir, (*FIGURES, "conditional_entropy"))
    recipe = read_recipe(run_dir / "recipe.json", as_run=True)
    data = load_data(recipe) if source is None else source
    jobs.check_contents(run_dir, data)
    split = splits.restore(data, read_split(run_dir))
    task = task_of(data, split)
    computed = {}
    classifiers = load_classifiers(run_dir, recorded, recipe, task, trust)
    for arm, classifier in classifiers:
        found = evaluation.outputs(classifier, task.split, recipe.output)
        computed[arm] = {
            **recorded[arm],
            **evaluation.figures(found, split),
        }
    return computed, recorded


def precision(recipe):
    """The dtype policy of a recipe, for as long as the context lasts.

    Args:
        recipe: A `Recipe`.
    """
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
        # Whoever goes on with a run has given its flags, the network's too.
        _draw(run_dir, lambda: results.load(run_dir.path, trust=True))


def _draw(run_dir, gather):
    # Slow: what draws is imported when results are told.
    from tf_pseudolabel.lab.runs import pictures

    page = run_dir / "report.html"
    pictures.attempt(page, lambda path: pictures.write(gather(), run_dir))
    if page.exists():
        print(f"Report: {page}")


def _export(classifier, job, run_dir):
    encoding = saved_model.as_in_training(job.task.encoding, classifier)
    if encoding.model is not None:
        with run_dir.replacing(PREPROCESSING) as partial:
            encoding.model.save(partial)
    with run_dir.replacing("saved_model") as partial:
        saved_model.write(
            classifier,
            encoding,
            job.data.kind,
            job.data.class_names,
            job.recipe.output,
            partial,
        )
