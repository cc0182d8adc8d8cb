"""Lists finished runs in a CSV file and prints mean and spread as Markdown.

    .venv/bin/python benchmarks/summarize_runs.py runs/mnist_conv-* \
        --output=docs/results/mnist_1000_labels.csv

Runs whose directories differ in the number at the end alone, such as
runs/usb_pl_0 and runs/usb_pl_1, are one line. The spread is the sample standard
deviation over them.
"""

import csv
import itertools
import pathlib
import re
import statistics

from absl import app, flags

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.recipe import read_recipe
from tf_pseudolabel.lab.runs import records
from tf_pseudolabel.lab.runs.run_directory import RunDirectory

flags.DEFINE_string("output", None, "CSV file to write", required=True)

COLUMNS = (
    "runs",
    "recipe",
    "seed",
    "arm",
    "labeled",
    "unlabeled",
    "test_examples",
    "updates",
    "test_error_percent",
    "seconds",
)


NEEDED = (
    "labeled_examples",
    "unlabeled_examples",
    "test_examples",
    "updates",
    "test_error_percent",
    "train_seconds",
)


def rows_of(run):
    """Yields a row per arm of a run directory."""
    recipe = read_recipe(run / "recipe.json")
    metrics = records.read_metrics(RunDirectory(run), NEEDED)
    for arm, figures in metrics.items():
        yield {
            "runs": re.sub(r"[_-]\d+$", "", run.name),
            "recipe": recipe.name,
            "seed": recipe.seed,
            "arm": arm,
            "labeled": figures["labeled_examples"],
            "unlabeled": figures["unlabeled_examples"],
            "test_examples": figures["test_examples"],
            "updates": figures["updates"],
            "test_error_percent": figures["test_error_percent"],
            "seconds": figures["train_seconds"],
        }


def table(rows):
    """Returns Markdown: test error of each run, mean and spread, per arm."""
    lines = [
        "| runs | arm | updates | test error % of each seed | mean ± s.d. "
        "| accuracy % | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = sorted(
        rows, key=lambda row: (row["runs"], row["arm"] != "supervised")
    )
    for (runs, arm), group in itertools.groupby(
        rows, key=lambda row: (row["runs"], row["arm"])
    ):
        group = sorted(group, key=lambda row: row["seed"])
        errors = [row["test_error_percent"] for row in group]
        mean = statistics.mean(errors)
        spread = statistics.stdev(errors) if len(errors) > 1 else float("nan")
        seconds = statistics.median(row["seconds"] for row in group)
        lines.append(
            f"| `{runs}` | {arm} | {group[0]['updates']} "
            f"| {', '.join(f'{error:.2f}' for error in errors)} "
            f"| {mean:.2f} ± {spread:.2f} | {100 - mean:.2f} | {seconds:.0f} |"
        )
    return "\n".join(lines)


def main(argv):
    """Writes the CSV file and prints the table."""
    try:
        rows = [row for path in argv[1:] for row in rows_of(pathlib.Path(path))]
    except InputError as error:
        raise app.UsageError(str(error)) from None
    output = pathlib.Path(flags.FLAGS.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    print(table(rows))


if __name__ == "__main__":
    app.run(main)
