"""Successive halving: all for a short time, the better half for longer."""

import dataclasses
import math
import statistics
import typing

import numpy as np

SUPERVISED = "supervised"
# A trial is to train for this many times as long as it takes to start.
_STARTS = 2.0


@dataclasses.dataclass(frozen=True)
class Result:
    """What a trial came to.

    Attributes:
        seconds: Float: how long it took in all.
        epoch_seconds: Float: how long an epoch of it takes.
        right: Bool array `(n,)`: the held-out rows that it got right.
        ids: String array `(n,)`: what these rows are called.
    """

    seconds: float
    epoch_seconds: float
    right: np.ndarray
    ids: np.ndarray

    @property
    def accuracy(self):
        """Share of the held-out rows that it got right."""
        return float(self.right.mean())


class Trial(typing.NamedTuple):
    """A short training.

    Attributes:
        stage: Int: 0 where all are tried once, then the number of the halving.
        name: Of the candidate.
        split: Int: which rows are held out.
        epochs: Int.
    """

    stage: int
    name: str
    split: int
    epochs: int


@dataclasses.dataclass
class Search:
    """What was tried.

    Attributes:
        names: Candidates that are still in, best first once compared.
        dropped: From a candidate that is out, but not beaten, to the reason.
        compared: The trials of the last stage, from name to results by split.
    """

    names: list
    dropped: dict = dataclasses.field(default_factory=dict)
    compared: dict = dataclasses.field(default_factory=dict)


def search(run, names, seconds, most_epochs, splits):
    """Tries candidates until one is left, or the time is up.

    Every candidate is tried for one epoch; that shows which of them train at
    all, and what they cost. Then each stage gets an equal part of the time that
    is left, each candidate an equal part of it, and the better half goes on.
    `SUPERVISED` is never left behind, so that the last stage tells what the
    winner gains over the labels alone.

    Args:
        run: Function of a `Trial` that returns a `Result`, or a string: why it
            cannot be trained.
        names: Candidates, `SUPERVISED` first; those at the end are left out
            first, where time does not suffice.
        seconds: Float: the time there is.
        most_epochs: Int: what the candidates are tried for at most.
        splits: Int: how many ways there are to hold out rows.

    Returns:
        `Search`.
    """
    found, clock = Search(list(names)), _Clock(seconds)
    _try_once(run, found, clock)
    stages = _stages(len(found.names))
    for stage in range(1, stages + 1):
        if clock.is_over:
            break
        share = clock.left / (stages - stage + 1)
        compared = _compare(
            run, found, clock, stage, share, most_epochs, splits
        )
        if not compared:
            break
        found.compared = compared
        found.names = _better_half(compared)
    return found


def _stages(candidates):
    """How many it takes until two are left, and the labels alone."""
    others = candidates - 1
    return max(1, math.ceil(math.log2(others))) if others > 0 else 0


class _Clock:
    """Counts what trials took, also those of a search that was cut off."""

    def __init__(self, seconds):
        self._seconds = seconds
        self._used = 0.0
        self.starts = {}
        self.epochs = {}

    def count(self, name, result, epochs):
        self._used += result.seconds
        self.epochs[name] = result.epoch_seconds
        start = result.seconds - epochs * result.epoch_seconds
        self.starts[name] = max(start, 0.0)

    @property
    def left(self):
        return self._seconds - self._used

    @property
    def is_over(self):
        return self.left <= 0

    def has_room_for(self, candidates):
        """Whether so many can train for longer than it takes to start."""
        if not self.starts:
            return True
        start = statistics.mean(self.starts.values())
        trials = candidates * _stages(candidates)
        return trials * (1 + _STARTS) * start <= self.left

    def epochs_in(self, name, seconds):
        left = seconds - self.starts[name]
        return math.floor(left / max(self.epochs[name], 1e-9))


def _try_once(run, found, clock):
    """Trains every candidate for an epoch, and drops what cannot be."""
    for name in list(found.names):
        tried = len(clock.starts)
        if tried > 1 and not clock.has_room_for(tried + 1):
            found.names.remove(name)
            found.dropped[name] = "no time was left"
            continue
        trial = Trial(0, name, 0, 1)
        result = run(trial)
        if isinstance(result, str):
            found.names.remove(name)
            found.dropped[name] = result
            continue
        clock.count(name, result, 1)


def _compare(run, found, clock, stage, share, most_epochs, splits):
    """Trains all that are in on the same splits; from name to results."""
    starts = statistics.mean(clock.starts[name] for name in found.names)
    room = share / (len(found.names) * (1 + _STARTS) * max(starts, 1e-9))
    splits = min(splits, max(1, math.floor(room)))
    seconds = share / (len(found.names) * splits)
    compared = {name: [] for name in found.names}
    for split in range(splits):
        trials = [
            Trial(
                stage,
                name,
                split,
                min(max(clock.epochs_in(name, seconds), 1), most_epochs),
            )
            for name in compared
        ]
        results = _results(run, found, clock, trials)
        for name in [n for n, result in results.items() if result is None]:
            del compared[name]
        if len(results) < len(trials):
            break  # Not all of them had their turn on this split.
        for name, results_of_name in compared.items():
            results_of_name.append(results[name])
    return compared if all(compared.values()) else {}


def _results(run, found, clock, trials):
    """From name to result, as far as time goes; None: there was none."""
    results = {}
    for trial in trials:
        if clock.is_over:
            break
        result = run(trial)
        if isinstance(result, str):
            found.dropped[trial.name] = result
            results[trial.name] = None
            continue
        results[trial.name] = result
        clock.count(trial.name, result, trial.epochs)
    return results


def _better_half(compared):
    """Candidates from the best on, the labels alone among them."""
    ranked = ranking(compared)
    others = _others(ranked)
    kept = others[: math.ceil(len(others) / 2)]
    return [name for name in ranked if name in kept or name == SUPERVISED]


def _others(names):
    return [name for name in names if name != SUPERVISED]


def ranking(compared):
    """Candidates from the best to the worst.

    Args:
        compared: As `Search` has it.

    Returns:
        A list of names.
    """
    return sorted(
        compared,
        key=lambda name: -statistics.mean(r.accuracy for r in compared[name]),
    )


def accuracy(compared, name):
    """The mean accuracy of a candidate over its splits.

    Args:
        compared: As `Search` has it.
        name: A candidate.
    """
    return statistics.mean(result.accuracy for result in compared[name])


def lead(compared, name, other):
    """By how much a candidate is ahead of another, and how sure that is.

    Held-out rows are compared one by one, as both have the same ones; a row
    that several splits hold out counts once, with its mean. Chance in training
    is part of it only as far as several splits show it.

    Args:
        compared: As `Search` has it.
        name: A candidate.
        other: Another one.

    Returns:
        A pair of floats: the difference of the accuracies, and half the width
        of its 95 % interval.
    """
    ids, differences = [], []
    for ours, theirs in zip(compared[name], compared[other], strict=True):
        ids.append(ours.ids)
        differences.append(ours.right.astype(float) - theirs.right)
    _, rows = np.unique(np.concatenate(ids), return_inverse=True)
    sums = np.bincount(rows, np.concatenate(differences))
    means = sums / np.bincount(rows)
    if len(means) < 2:
        return float(means.mean()), 1.0
    error = means.std(ddof=1) / math.sqrt(len(means))
    return float(means.mean()), 1.96 * float(error)
