"""One trial: a preset, trained for a while on a part of the labels."""

import dataclasses
import gc
import time
import warnings

import keras
import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from tf_pseudolabel.lab.callbacks.stop_on_nan import StopOnNaN
from tf_pseudolabel.lab.data.examples import groups_of
from tf_pseudolabel.lab.data.tasks import task_of
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.recipe import BATCHES
from tf_pseudolabel.lab.runs import evaluation, jobs, methods, training
from tf_pseudolabel.lab.runs.interruption import Interrupted
from tf_pseudolabel.lab.search.halving import SUPERVISED, Result

# With fewer validation rows than this the labels are split several times.
FEW = 1000
SPLITS = 3


def splits_of(split, seed):
    """Holds rows out of the labels, in several ways where they are few.

    The rows that the run itself trains on and validates with are pooled and
    parted anew, as many labeled ones as there, if validation rows are few;
    where they are less than a quarter, a quarter is held out. Test rows are
    never looked at.

    Args:
        split: The `Split` of the run.
        seed: Int: of the random numbers.

    Returns:
        A list of `Split`.
    """
    if len(split.validation) >= FEW:
        return [split]
    pool = split.labeled.followed_by(split.validation)
    held_out = max(len(split.validation), len(pool) // 4)
    fewer = min(held_out, len(pool) - held_out)
    commonest = np.bincount(pool.labels).max()
    folds = int(np.clip(round(len(pool) / fewer), 2, max(commonest, 2)))
    # The other one would have folds of unequal size.
    alone = pool.groups is None
    kind = StratifiedKFold if alone else StratifiedGroupKFold
    folder = kind(folds, shuffle=True, random_state=seed)
    groups = groups_of(pool)
    groups = np.where(groups == "", np.arange(len(pool)).astype(str), groups)
    with warnings.catch_warnings():
        # That some class has fewer rows than there are folds.
        warnings.simplefilter("ignore", UserWarning)
        parts = list(folder.split(pool.labels, pool.labels, groups))
    if fewer < held_out:
        parts = [(fold, rest) for rest, fold in parts]
    return [
        dataclasses.replace(
            split, labeled=pool.take(kept), validation=pool.take(out)
        )
        for kept, out in parts[:SPLITS]
    ]


@dataclasses.dataclass
class Trials:
    """Runs trials; `halving.search` calls it.

    Args:
        recipe: A `Recipe`, without a preset.
        given: Dict: what the user says besides, which counts in every trial.
        data: The `Data`.
        splits: What `splits_of` returned.
        strategy: A `tf.distribute.Strategy`.
        listener: A `Listener`.
    """

    recipe: object
    given: dict
    data: object
    splits: list
    strategy: object
    listener: object

    def __call__(self, trial):
        """Trains a candidate and measures it on the rows held out.

        Args:
            trial: A `Trial`.

        Returns:
            `Result`; a string, a line, where it cannot be trained.

        Raises:
            Interrupted: If a signal asked the process to end.
        """
        start = time.monotonic()
        clock = _EpochClock(self.listener)
        try:
            recipe = recipe_of(
                trial.name, self.recipe, self.given, trial.epochs
            )
            classifier, split = self._trained(trial, recipe, clock)
        except (InputError, ValueError) as error:
            return str(error).split("\n")[0]
        found = evaluation.probabilities(
            classifier, split.validation, recipe.output
        )
        right = found.argmax(axis=-1) == split.validation.labels
        # The model's collectives and variables go before the next one comes.
        del classifier
        gc.collect()
        return Result(
            time.monotonic() - start,
            clock.epoch_seconds,
            right,
            np.asarray(split.validation.ids.tolist()),
        )

    def _trained(self, trial, recipe, clock):
        split = self.splits[trial.split]
        fixed = methods.fixed_batches(trial.name)
        lowerable = [name for name in BATCHES if name not in fixed]
        left = jobs.left_to(self.data, recipe, split, self.strategy, lowerable)
        recipe = dataclasses.replace(recipe, **left)
        task = task_of(self.data, split, floats=methods.needs_floats(recipe))
        is_baseline = trial.name == SUPERVISED
        arm = training.SUPERVISED if is_baseline else training.PSEUDO_LABEL
        with self.listener.listening(), warnings.catch_warnings():
            # Of short trainings; the run itself says them again.
            warnings.simplefilter("ignore", UserWarning)
            classifier, _ = training.train(
                arm, recipe, task, self.strategy, [StopOnNaN(), clock]
            )
        return classifier, task.split


def recipe_of(name, recipe, given, epochs):
    """The recipe of a candidate for so many epochs.

    Batches are those of the recipe, so that an epoch has as many updates with
    each: with few rows, the papers' large ones make next to none.

    Args:
        name: A preset, or `halving.SUPERVISED`.
        recipe: A `Recipe`, without a preset.
        given: Dict: fields that the user gives, which win.
        epochs: Int.

    Returns:
        A `Recipe`.

    Raises:
        InputError: If they do not go together.
    """
    batches = {batch: getattr(recipe, batch) for batch in BATCHES}
    given = batches | given | {"epochs": epochs}
    if name == SUPERVISED:
        ramp = {"alpha_f": 0.0, "baseline": False, "labeled_epochs": 0}
        return dataclasses.replace(recipe, **{**given, **ramp})
    values = methods.preset_values(name, recipe, given)
    return dataclasses.replace(recipe, **{**values, **given})


class _EpochClock(keras.callbacks.Callback):
    """How long an epoch takes once its function is traced."""

    def __init__(self, listener):
        super().__init__()
        self._listener = listener
        self._first = None
        self._batches = 0

    def on_train_batch_end(self, batch, logs=None):
        """Counts; ends the trial if a signal asks for it."""
        if self._listener.received is not None:
            raise Interrupted(self._listener.received)
        if self._first is None:
            self._first = time.monotonic()
        else:
            self._batches += 1
            self._last = time.monotonic()

    @property
    def epoch_seconds(self):
        """Seconds."""
        if not self._batches:
            return 0.0
        steps = self.params["steps"] or 1
        return steps * (self._last - self._first) / self._batches
