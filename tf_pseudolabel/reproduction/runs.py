"""The runs of a plan: each the command that a user would give."""

import csv
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

from tf_pseudolabel.errors import InputError
from tf_pseudolabel.interruption import Interrupted, Listener
from tf_pseudolabel.recipes import RECIPES, Recipe
from tf_pseudolabel.run_directory import RunDirectory

COLUMNS = (
    "method",
    "variant",
    "labels",
    "seed",
    "arm",
    "test_error_percent",
    "validation_error_percent",
    "entropy_train",
    "entropy_unlabeled",
    "entropy_test",
    "epochs",
    "updates",
    "train_seconds",
    "recipe",
    "commit",
)
_KEY = ("method", "variant", "labels", "seed", "recipe")
# Where data lie is no part of what is run.
_FLAGS = [
    field.name
    for field in dataclasses.fields(Recipe)
    if field.metadata and field.name != "data_dir"
]


@dataclasses.dataclass(frozen=True)
class Run:
    """A cell on one split.

    Attributes:
        cell: A `Cell`.
        recipe: Its `Recipe`, with the seed of the split.
    """

    cell: object
    recipe: Recipe

    @property
    def fingerprint(self):
        """Eight characters that change with the recipe."""
        # Without defaults: a field that is new must not make old runs others.
        default = Recipe()
        values = {
            name: self._value(name)
            for name in _FLAGS
            if self._value(name) != getattr(default, name)
        }
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def name(self):
        """What its directory is called."""
        cell, seed = self.cell, self.recipe.seed
        return f"{cell.method}-{cell.labels}-{seed}-{self.fingerprint}"

    @property
    def flags(self):
        """What differs from the named recipe, as flags of `bin/train`."""
        base = RECIPES[self.cell.method]
        changed = [n for n in _FLAGS if self._value(n) != getattr(base, n)]
        return [
            f"--recipe={self.cell.method}",
            *(f"--{name}={self._value(name)}" for name in changed),
        ]

    def is_finished_in(self, work_dir):
        """Whether what it leaves behind lies there."""
        return (work_dir / self.name / "metrics.json").exists()

    def _value(self, name):
        return getattr(self.recipe, name)

    def key(self):
        """What tells the rows of this run from others', as in the CSV file."""
        cell = self.cell
        values = (cell.method, cell.variant, cell.labels, self.recipe.seed)
        return tuple(map(str, (*values, self.fingerprint)))


def of_plan(plan, seeds=None):
    """Lists the runs of a plan, split by split.

    Split after split, so that a table has all its cells early, and every cell
    the same splits.

    Args:
        plan: A `Plan`.
        seeds: Int: how many splits, instead of the plan's own number.

    Returns:
        A list of `Run`.
    """
    seeds = seeds or plan.seeds
    return [
        Run(
            cell,
            dataclasses.replace(cell.recipe, seed=plan.first_seed + number),
        )
        for number in range(seeds)
        for cell in plan.cells
        if number < (cell.most_seeds or seeds)
    ]


def of_methods(runs, methods):
    """Picks the runs of some methods.

    Args:
        runs: List of `Run`.
        methods: Names of recipes; none: all.

    Returns:
        A list of `Run`.

    Raises:
        InputError: If no run is of one of these methods.
    """
    known = list(dict.fromkeys(run.cell.method for run in runs))
    for method in methods:
        if method not in known:
            raise InputError(
                f"--methods names recipes of the table: {', '.join(known)}; "
                f"got {method!r}."
            )
    return [run for run in runs if run.cell.method in (methods or known)]


def read(path):
    """Reads the rows of finished runs.

    Args:
        path: A CSV file that `append` wrote, or that does not exist yet.

    Returns:
        A list of dicts of strings.
    """
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def unfinished(runs, rows):
    """Tells which runs have no rows yet.

    Args:
        runs: List of `Run`.
        rows: What `read` returned.

    Returns:
        A list of `Run`.
    """
    return [run for run in runs if not of_runs([run], rows)]


def of_runs(runs, rows):
    """The rows that belong to runs, in the order of the runs.

    Args:
        runs: List of `Run`.
        rows: What `read` returned.

    Returns:
        A list of dicts of strings.
    """
    found = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in _KEY), []).append(row)
    return [row for run in runs for row in found.get(run.key(), [])]


def finish(runs, path, work_dir, measured_on, jobs=1, tell=lambda: None):
    """Runs what is left, and adds its rows to a CSV file, run by run.

    Args:
        runs: List of `Run`.
        path: The CSV file.
        work_dir: Directory of the run directories. What lies there
            half-finished goes on.
        measured_on: `"test"`, or `"validation"`: then test errors are left out.
        jobs: How many runs train side by side, each on its share of the cores.
        tell: Called when a run has its rows.

    Raises:
        InputError: If a run fails.
        Interrupted: If SIGTERM or SIGINT was received; all is saved.
    """
    waiting, training = list(runs), {}
    listener = Listener()
    with listener.listening():
        try:
            while waiting or training:
                while waiting and len(training) < jobs:
                    run = waiting.pop(0)
                    training[_start(run, work_dir, jobs)] = run
                time.sleep(0.2)
                if listener.received is not None:
                    raise Interrupted(listener.received)
                for process in [p for p in training if p.poll() is not None]:
                    run = training.pop(process)
                    _check(process, run, work_dir)
                    append(_rows(run, work_dir / run.name, measured_on), path)
                    left = len(waiting) + len(training)
                    print(f"{_told(run, path)}; {left} to go", flush=True)
                    tell()
        finally:
            for process in training:
                process.send_signal(signal.SIGTERM)
            for process in training:
                process.wait()


def _start(run, work_dir, jobs):
    output_dir = work_dir / run.name
    work_dir.mkdir(parents=True, exist_ok=True)
    threads = str(max(1, os.cpu_count() // jobs))
    with _log(output_dir).open("ab") as log:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "tf_pseudolabel.cli.train"),
                *run.flags,
                f"--output_dir={output_dir}",
                *("--nopictures", "--keep_checkpoints=1"),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={
                "TF_NUM_INTRAOP_THREADS": threads,
                "OMP_NUM_THREADS": threads,
                **os.environ,
            },
            # Else a terminal would send Ctrl-C to it as well as to us.
            start_new_session=True,
        )


def _log(output_dir):
    return output_dir.with_name(f"{output_dir.name}.log")


def _check(process, run, work_dir):
    if process.returncode == 0:
        return
    log = _log(work_dir / run.name)
    said = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line for line in reversed(said) if line.strip()), "nothing")
    raise InputError(
        f"bin/train {' '.join(run.flags)} ended with status "
        f"{process.returncode} and said: {last.strip()} (see {log}). What is "
        "finished is kept: mend it, and give the same command again."
    )


def _rows(run, path, measured_on):
    """The rows of a finished run; its checkpoints, which are large, go."""
    run_dir = RunDirectory(path)
    metrics = run_dir.read_json("metrics.json")
    commit = run_dir.read_json("recipe.json").get("commit", "")
    for arm, figures in metrics.items():
        shutil.rmtree(path / "checkpoints" / arm, ignore_errors=True)
        error = figures["test_error_percent"]
        entropy = figures["conditional_entropy"]
        yield {
            **dict(zip(_KEY, run.key(), strict=True)),
            "arm": arm,
            "test_error_percent": error if measured_on == "test" else "",
            "validation_error_percent": round(
                100 * (1 - figures["validation"]["accuracy"]), 4
            ),
            **{f"entropy_{name}": value for name, value in entropy.items()},
            "epochs": figures["epochs"],
            "updates": figures["updates"],
            "train_seconds": figures["train_seconds"],
            "commit": commit,
        }


def append(rows, path):
    """Adds rows to a CSV file, which is made if need be.

    Args:
        rows: Iterable of dicts from `COLUMNS`.
        path: The CSV file.
    """
    # Written anew: a line cut short would be lost, and the one after it.
    rows = [*read(path), *rows]
    with (
        RunDirectory(path.parent).replacing(path.name) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _told(run, path):
    """What a finished run came to, in a line."""
    cell = run.cell
    rows = [row for row in read(path) if row["recipe"] == run.fingerprint]
    kind = "test" if rows[-1]["test_error_percent"] else "validation"
    errors = " -> ".join(
        f"{float(row[f'{kind}_error_percent']):.2f}" for row in rows
    )
    seconds = sum(float(row["train_seconds"]) for row in rows)
    variant = f" ({cell.variant})" if cell.variant else ""
    return (
        f"{cell.method}{variant}, {cell.labels} labels, seed "
        f"{run.recipe.seed}: {kind} error {errors} % in {seconds:.0f} s"
    )
