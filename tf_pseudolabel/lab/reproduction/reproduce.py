"""A name of a table in, its files out."""

import pathlib

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.reproduction import (
    drawing,
    processes,
    published,
    rows,
    runs,
    tables,
)
from tf_pseudolabel.lab.reproduction.plans import PLANS
from tf_pseudolabel.lab.runs.run_directory import locked

# How a plan's cells become Markdown: functions of the cells, and of the rows
# that they were made of.
LAYOUTS = {
    "by_labels": lambda found, finished: tables.errors_by_labels(found),
    "beside_lee2013": published.beside_lee2013,
}


def reproduce(
    what, docs, work_dir, *, quick=False, methods=(), seeds=None, jobs=1
):
    """Finishes a table, and writes it down.

    Runs that are finished are not run again; those that were interrupted go on.

    Args:
        what: A name in `PLANS`.
        docs: Directory of `results/`, where tables have their files and pages.
        work_dir: Directory of the run directories.
        quick: Whether schedules are compressed; those results have a file of
            their own, and no place in the table's page. Has no effect on
            tables that are quick as they are.
        methods: Names of the recipes whose cells are run; none: all.
        seeds: Int: how many splits are run; None for the plan's own number.
        jobs: How many runs train side by side.

    Returns:
        A string: the table as Markdown, or where the figures are.

    Raises:
        InputError: If a run fails, something cannot be written, or another
            process is at work there.
        Interrupted: If a signal asked the process to end; all is saved.
    """
    plan = PLANS[what](quick)
    quick = plan != PLANS[what](False)
    name = f"{what}_quick" if quick else what
    docs, work_dir = pathlib.Path(docs), pathlib.Path(work_dir)
    work_dir.mkdir(parents=True, exist_ok=True)
    with locked(work_dir) as is_ours:
        if not is_ours:
            raise InputError(
                f"Another bin/reproduce is at work in {work_dir}. Wait for it, "
                "or name another --work_dir and other --docs."
            )
        if plan.drawn:
            if methods or seeds:
                raise InputError(
                    f"{what} draws one network of each recipe: --methods and "
                    "--seeds have no meaning there. Leave them out."
                )
            return _figures(name, plan, work_dir, jobs, docs)
        wanted = runs.of_methods(runs.of_plan(plan, seeds), methods)
        page = docs / "results" / f"{what}.md"
        page = page if page.exists() and not quick else None
        return _table(name, plan, wanted, work_dir, jobs, docs, page)


def _figures(name, plan, work_dir, jobs, docs):
    """Trains the networks that are not there, and draws all."""
    planned = runs.of_plan(plan)
    # Of a network that is drawn, the rows do not suffice.
    left = [run for run in planned if not run.is_finished_in(work_dir)]
    print(f"{name}: {len(planned)} runs, of which {len(left)} are left.")
    rows_file = work_dir / f"{name}_runs.csv"
    processes.finish(left, rows_file, work_dir, plan.measured_on, jobs)
    directories = {run.cell.method: work_dir / run.name for run in planned}
    return drawing.draw(name, directories, docs / "images")


def _table(name, plan, wanted, work_dir, jobs, docs, page):
    """Runs what is left of what is wanted; the table has all that is there."""
    if page is not None:
        tables.check_markers(name, page)
    rows_file = docs / "results" / f"{name}_runs.csv"
    left = rows.unfinished(wanted, rows.read(rows_file))
    print(f"{name}: {len(wanted)} runs, of which {len(left)} are left.")
    most = max(plan.seeds, len({run.recipe.seed for run in wanted}))

    def write():
        """As results come: the table shows what is finished."""
        planned = runs.of_plan(plan, most)
        finished = rows.of_runs(planned, rows.read(rows_file))
        found = tables.cells(finished, plan.measured_on)
        tables.write(found, docs / "results" / f"{name}.csv")
        text = LAYOUTS[plan.layout](found, finished)
        if page is not None:
            tables.put_between_markers(text, name, page)
        return text

    processes.finish(left, rows_file, work_dir, plan.measured_on, jobs, write)
    return write()
