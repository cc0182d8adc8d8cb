"""A name of a table in, its files out."""

import pathlib

from tf_pseudolabel.reproduction import drawing, published, runs, tables
from tf_pseudolabel.reproduction.plans import PLANS


def reproduce(what, quick, methods, seeds, jobs, docs, work_dir):
    """Finishes a table, and writes it down.

    Runs that are finished are not run again; those that were interrupted go on.

    Args:
        what: A name in `PLANS`.
        quick: Whether schedules are compressed; kept apart from the others.
        methods: Names of the recipes whose cells are run; none: all.
        seeds: Int: how many splits; None for the plan's own number.
        jobs: How many runs train side by side.
        docs: Directory of `results.md` and `results/`.
        work_dir: Directory of the run directories.

    Returns:
        A string: the table as Markdown, or where the figures are.

    Raises:
        InputError: If a run fails or something cannot be written.
        Interrupted: If SIGTERM or SIGINT was received; all is saved.
    """
    plan = PLANS[what](quick)
    name = f"{what}_quick" if quick else what
    docs, work_dir = pathlib.Path(docs), pathlib.Path(work_dir)
    # To be drawn, a network must be there, and not its figures alone.
    home = work_dir if plan.drawn else docs / "results"
    rows_file = home / f"{name}_runs.csv"

    planned = runs.of_plan(plan, seeds)
    left = runs.unfinished(
        runs.of_methods(planned, methods), runs.read(rows_file)
    )
    print(f"{what}: {len(planned)} runs, of which {len(left)} are left.")

    def write():
        """As results come: the table shows what is finished."""
        rows = runs.of_runs(planned, runs.read(rows_file))
        return _table(what, name, rows, plan.measured_on, docs)

    if not plan.drawn:
        runs.finish(left, rows_file, work_dir, plan.measured_on, jobs, write)
        return write()
    runs.finish(left, rows_file, work_dir, plan.measured_on, jobs)
    directories = {run.cell.method: work_dir / run.name for run in planned}
    return drawing.draw(name, directories, docs / "images")


def _table(what, name, rows, measured_on, docs):
    """Writes a table to its files; returns it as Markdown."""
    found = tables.cells(rows, measured_on)
    tables.write(found, docs / "results" / f"{name}.csv")
    if what == "lee2013_table":
        text = _beside_published(found, rows)
    else:
        text = tables.errors_by_labels(found)
    if (docs / "results.md").exists():
        tables.put_between_markers(text, name, docs / "results.md")
    return text


def _beside_published(found, rows):
    """Lee's tables 2 and 1, and what his text compares."""
    parts = [tables.errors_by_labels(found, published.LEE2013_TABLE2.items())]
    differences = tables.differences(rows, "lee2013_pl", "test_error_percent")
    parts += [
        "Points of error above `lee2013_pl` on the same splits:",
        differences,
    ]
    of_600 = [cell for cell in found if cell["labels"] == "600"]
    if of_600:
        parts += [
            "Conditional entropy, 600 labels:",
            tables.entropies(of_600, published.LEE2013_TABLE1.items()),
        ]
    return "\n\n".join(parts)
