"""Chooses a preset for a recipe, and says how sure the choice is."""

import csv
import dataclasses
import typing

import numpy as np

from tf_pseudolabel.distribution import strategies as cluster
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.replacing import replacing
from tf_pseudolabel.lab.runs import experiment, jobs, run_directory
from tf_pseudolabel.lab.runs.interruption import Listener
from tf_pseudolabel.lab.runs.results import load_data
from tf_pseudolabel.lab.search import halving
from tf_pseudolabel.lab.search.halving import SUPERVISED, Result
from tf_pseudolabel.lab.search.trials import Trials, recipe_of, splits_of

COLUMNS = (
    *("stage", "preset", "split", "epochs", "rows", "accuracy"),
    *("seconds", "epoch_seconds", "right"),
)
# With little time those at the end are left out.
ORDER = (
    *("freematch", "fixmatch", "softmatch", "adamatch", "lee2013"),
    *("mean_teacher", "flexmatch", "arazo2020", "uda", "remixmatch"),
    *("mixmatch", "ict", "vat", "pi_model", "noisy_student", "usb_pl"),
    "oliver2018",
)


class Chosen(typing.NamedTuple):
    """What a search came to.

    Attributes:
        name: The preset; `SUPERVISED`: none.
        recipe: The `Recipe` with it.
        data: The `Data`.
    """

    name: str
    recipe: typing.Any
    data: typing.Any


def choose(recipe, given, output_dir, minutes):
    """Tries presets on validation data, and returns the recipe of the best.

    What was tried lies in `search.csv` of the run, and the choice in
    `search.json`; a search that was cut off goes on.

    Args:
        recipe: A `Recipe`, without a preset.
        given: Dict: fields that the user gives, which win over any preset's.
        output_dir: The directory of the run that will follow.
        minutes: Float: the time that trying may take.

    Returns:
        `Chosen`.

    Raises:
        InputError: If the time does not suffice to compare anything, or recipe
            and data do not fit together.
        Interrupted: If a signal asked the process to end; all is saved.
    """
    if recipe.strategy != "default":
        raise InputError(
            "--preset=auto tries presets on one device; got "
            f"--strategy={recipe.strategy}. Try without it, and name the "
            "preset that was chosen."
        )
    data = load_data(recipe)
    with run_directory.opened(output_dir) as run_dir:
        record = _record(run_dir, recipe, minutes)
        if "chosen" not in record:
            with experiment.precision(recipe):
                found = _searched(recipe, given, data, run_dir, minutes)
            record["chosen"] = found.names[0]
            record["told"] = list(told(found))
            run_dir.write_json("search.json", record)
    for line in record["told"]:
        print(line)
    epochs = given.get("epochs", recipe.epochs)
    name = record["chosen"]
    return Chosen(name, recipe_of(name, recipe, given, epochs), data)


def _record(run_dir, recipe, minutes):
    """What `search.json` says; written where it says nothing yet."""
    asked = {"recipe": dataclasses.asdict(recipe), "minutes": minutes}
    if not (run_dir / "search.json").exists():
        run_dir.write_json("search.json", asked)
        return asked
    record = run_dir.read_json("search.json")
    if any(record.get(name) != value for name, value in asked.items()):
        raise InputError(
            f"{run_dir.path} holds a search with other flags. Give the same "
            "ones to go on, or name another --output_dir."
        )
    return record


def _searched(recipe, given, data, run_dir, minutes):
    split = jobs.draw_split(recipe, data)
    splits = splits_of(split, recipe.seed)
    strategy = cluster.get_strategy("default")
    trials = Trials(recipe, given, data, splits, strategy, Listener())
    log = _Log(run_dir / "search.csv", splits, trials)
    print(
        f"Trying {len(ORDER)} presets and the labels alone for {minutes:g} "
        f"minutes, on {_described(splits)}; the test set is not looked at."
    )
    found = halving.search(
        log, (SUPERVISED, *ORDER), 60 * minutes, recipe.epochs, len(splits)
    )
    if SUPERVISED not in found.compared or len(found.compared) < 2:
        reasons = [f"{n}: {text}" for n, text in found.dropped.items()]
        raise InputError(
            "--auto_minutes must suffice to train two candidates; got "
            f"{minutes:g} ({'; '.join(reasons[:3]) or 'all took longer'}). "
            "Give more, or name a preset."
        )
    return found


def _described(splits):
    rows = len(splits[0].validation)
    if len(splits) == 1:
        return f"{rows} validation rows"
    return f"{len(splits)} splits of the labels, {rows} rows held out of each"


class _Log:
    """Runs trials, and keeps what they came to; those of before are read."""

    def __init__(self, path, splits, run):
        self._path, self._splits, self._run = path, splits, run
        self._rows = []
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                self._rows = list(csv.DictReader(file))
        self._known = {
            (int(r["stage"]), r["preset"], int(r["split"]), int(r["epochs"])): r
            for r in self._rows
        }

    def __call__(self, trial):
        """Returns a `Result` of a `Trial`, from the file if it is there."""
        if tuple(trial) in self._known:
            return self._read(trial, self._known[tuple(trial)])
        result = self._run(trial)
        if isinstance(result, str):
            print(
                f"  stage {trial.stage}  {trial.name:<14}{result}", flush=True
            )
            return result
        self._rows.append(_row(trial, result))
        with replacing(self._path) as partial:
            _write(self._rows, partial)
        print(
            f"  stage {trial.stage}  {trial.name:<14}{trial.epochs:>5} epochs"
            f"{100 * result.accuracy:>8.2f} % right{result.seconds:>8.0f} s",
            flush=True,
        )
        return result

    def _read(self, trial, row):
        ids = np.asarray(self._splits[trial.split].validation.ids.tolist())
        bits = np.frombuffer(bytes.fromhex(row["right"]), np.uint8)
        right = np.unpackbits(bits, count=len(ids)).astype(bool)
        seconds = float(row["seconds"]), float(row["epoch_seconds"])
        return Result(*seconds, right, ids)


def _row(trial, result):
    return {
        "stage": trial.stage,
        "preset": trial.name,
        "split": trial.split,
        "epochs": trial.epochs,
        "rows": len(result.right),
        "accuracy": result.accuracy,
        "seconds": result.seconds,
        "epoch_seconds": result.epoch_seconds,
        # A bit for each row that is held out, for comparisons row by row.
        "right": np.packbits(result.right).tobytes().hex(),
    }


def _write(rows, path):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def told(found):
    """Says what a search came to, and how sure that is.

    Args:
        found: `halving.Search`.

    Yields:
        Strings, a line each.
    """
    compared = found.compared
    best, *others = halving.ranking(compared)
    shares = {
        name: 100 * halving.accuracy(compared, name) for name in (best, *others)
    }
    said = ", ".join(f"{name} {shares[name]:.2f} %" for name in shares)
    yield f"On validation data, in the last stage: {said}."
    if best == SUPERVISED:
        yield (
            "The labels alone did best: no preset is used, and alpha stays 0."
        )
    else:
        yield _against(compared, best, SUPERVISED)
    runner_up = next((n for n in others if n != SUPERVISED), None)
    if runner_up is not None:
        yield _against(compared, best, runner_up)
    reasons = {}
    for name, reason in found.dropped.items():
        reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        yield f"Not compared: {', '.join(names)} ({reason})."


def _against(compared, name, other):
    ahead, half = (100 * x for x in halving.lead(compared, name, other))
    interval = f"95 % interval {ahead - half:+.2f} to {ahead + half:+.2f}"
    sure = ahead > half
    verdict = "ahead" if sure else "not told apart"
    return f"{name} and {other}: {verdict}, {ahead:+.2f} points ({interval})."
