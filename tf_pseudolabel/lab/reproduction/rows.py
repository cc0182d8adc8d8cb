"""What finished runs came to, a row per arm, in a CSV file."""

import csv
import shutil

from tf_pseudolabel.lab.replacing import replacing
from tf_pseudolabel.lab.runs import records
from tf_pseudolabel.lab.runs.run_directory import RunDirectory

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
_NEEDED = (
    "test_error_percent",
    "conditional_entropy",
    "validation",
    "epochs",
    "updates",
    "train_seconds",
)
KEY = ("method", "variant", "labels", "seed", "recipe")


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
        found.setdefault(tuple(row[name] for name in KEY), []).append(row)
    return [row for run in runs for row in found.get(run.key(), [])]


def of_directory(run, path, measured_on):
    """Makes the rows of a run that has just finished.

    Args:
        run: A `Run`.
        path: Its directory. The checkpoints there, which are large, go.
        measured_on: `"test"`, or `"validation"`: then test errors are left out.

    Yields:
        A dict from `COLUMNS` per arm.
    """
    run_dir = RunDirectory(path)
    metrics = records.read_metrics(run_dir, _NEEDED)
    commit = records.read_record(run_dir).get("commit", "")
    for arm, figures in metrics.items():
        shutil.rmtree(path / "checkpoints" / arm, ignore_errors=True)
        error = figures["test_error_percent"]
        entropy = figures["conditional_entropy"]
        yield {
            **dict(zip(KEY, run.key(), strict=True)),
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
    write_csv([*read(path), *rows], COLUMNS, path)


def write_csv(rows, columns, path):
    """Writes a CSV file, or none.

    Args:
        rows: Iterable of dicts.
        columns: Their keys, in order.
        path: The file, written or replaced.
    """
    with (
        replacing(path) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
