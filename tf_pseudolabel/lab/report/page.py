"""The page itself: finished runs in, one self-contained HTML file out."""

import dataclasses
import importlib.resources
import pathlib

import jinja2
from bokeh.embed import components
from bokeh.resources import Resources

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.replacing import replacing
from tf_pseudolabel.lab.report import (
    course,
    embeddings,
    outcome,
    people,
    summary,
)
from tf_pseudolabel.lab.report.parts import Section, Table
from tf_pseudolabel.lab.runs import results

# What a browser opens at once, and an e-mail carries.
MAX_BYTES = 5_000_000
# For what `embeddings.POINT_BYTES` may fall short of.
_SLACK = 100_000


@dataclasses.dataclass(frozen=True, eq=False)
class _Run:
    """What the page says of one run."""

    slug: str
    title: str
    verdict: str
    warnings: list[dict]
    figures: Table
    facts: list[tuple[str, str]]
    flags: list[str]
    sections: list[Section]


def write(run_directories, output_path, trust=False):
    """Writes the page of finished runs, and in each the table for people.

    Args:
        run_directories: Paths, one at least.
        output_path: HTML file to write or replace.
        trust: Bool: whether networks of the runs' own may be executed.

    Raises:
        InputError: If one of them holds no finished run that can be loaded, or
            the page cannot be written.
    """
    # Before the runs are read, which takes a while.
    _check_output(pathlib.Path(output_path))
    runs = [results.load(path, trust=trust) for path in run_directories]
    save(runs, output_path)
    for run in runs:
        people.write(run, run.path / people.FILE)


def save(runs, output_path):
    """Writes the page of runs that are at hand.

    Args:
        runs: List of `Results`, one at least.
        output_path: HTML file to write or replace.

    Raises:
        InputError: If the page cannot be written.
    """
    output = pathlib.Path(output_path)
    _check_output(output)
    page = render(runs)
    with replacing(output) as partial:
        partial.write_text(page, encoding="utf-8")


def _check_output(output):
    if output.is_dir():
        raise InputError(
            f"--output is the file to write; got the directory {output}. Name "
            f"a file, such as {output / 'report.html'}."
        )


def render(runs):
    """Makes the page of finished runs.

    Args:
        runs: List of `Results`, one at least.

    Returns:
        A string: HTML that needs no other file. It stays below `MAX_BYTES`
        for as long as leaving out t-SNE pictures, the largest part, achieves
        that.
    """
    titled = _titled(runs)
    points = [embeddings.points(run) for run in runs]
    page = _page(titled, points)
    if len(page.encode()) <= MAX_BYTES:
        return page
    nothing = [some.thinned(0) for some in points]
    room = MAX_BYTES - _SLACK - len(_page(titled, nothing).encode())
    # The same share of every run's points.
    share = max(0, room) / max(1, sum(some.size for some in points))
    return _page(titled, [some.thinned(min(1, share)) for some in points])


def _titled(runs):
    """Dict from a title that tells the runs apart to the run."""
    names = [run.path.resolve().name for run in runs]
    if len(set(names)) < len(names):
        names = [str(run.path) for run in runs]
    if len(set(names)) < len(names):
        raise InputError(
            f"Every run must be given once; got {', '.join(names)}. Leave out "
            "those that occur again."
        )
    return dict(zip(names, runs, strict=True))


def _page(titled, points):
    runs = [
        _run(f"run-{index}", *run, some)
        for index, (run, some) in enumerate(
            zip(titled.items(), points, strict=True), 1
        )
    ]
    several = len(runs) > 1
    overview = course.overlaid_curves(titled) if several else None
    script, divs = components(
        {
            f"{slug}-{section.slug}-{index}": chart.model
            for slug, sections in (
                ("all", [overview] if several else []),
                *((run.slug, run.sections) for run in runs),
            )
            for section in sections
            for index, chart in enumerate(section.charts, 1)
        }
    )
    text = _template().render(
        runs=runs,
        comparison=summary.comparison_table(titled) if several else None,
        overview=overview,
        divs=divs,
        library=Resources(mode="inline", components=["bokeh"]).render_js(),
        script=script,
    )
    return text.lstrip()  # Macros leave empty lines.


def _run(slug, title, run, points):
    return _Run(
        slug=slug,
        title=title,
        verdict=summary.verdict(run),
        warnings=run.warnings,
        figures=summary.figures_table(run),
        facts=summary.facts(run),
        flags=summary.flags(run),
        sections=[
            course.learning_curves(run),
            course.pseudo_labels(run),
            outcome.confusions(run),
            outcome.reliability(run),
            embeddings.section(run, points),
            outcome.margins(run),
            outcome.mistakes(run),
            *people.sections(run),
        ],
    )


def _template():
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    files = importlib.resources.files("tf_pseudolabel.lab.report")
    text = (files / "page.html.jinja").read_text(encoding="utf-8")
    return environment.from_string(text)
