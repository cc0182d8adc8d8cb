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
    text = _text(what, found)
    if (docs / "results.md").exists():
        tables.put_between_markers(text, name, docs / "results.md")
    return text


def _text(what, found):
    """The table of a plan, with what was published beside it."""
    if what != "lee2013_table":
        return tables.errors_by_labels(found)
    errors = tables.errors_by_labels(found, published.LEE2013_TABLE2.items())
    of_600 = [cell for cell in found if cell["labels"] == "600"]
    if not of_600:
        return errors
    entropies = tables.entropies(of_600, published.LEE2013_TABLE1.items())
    return f"{errors}\n\nConditional entropy, 600 labels:\n\n{entropies}"
