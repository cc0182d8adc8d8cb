"""What a page is made of, before it is HTML."""

import dataclasses
import math
import typing

import numpy as np

from tf_pseudolabel.lab.analysis import figures

# Beyond these, a reader of epochs learns nothing more.
MAX_ROWS = 100

ARMS = {"supervised": "Supervised", "pseudo_label": "Pseudo-label"}
COLORS = {arm: figures.ARMS[arm]["color"] for arm in ARMS}
DASHES = {"supervised": "dashed", "pseudo_label": "solid"}


@dataclasses.dataclass(frozen=True)
class Table:
    """Numbers in rows.

    Args:
        header: The columns' names.
        rows: Lists of strings, as many as the header; the first is the row's
            name.
        note: What is left out. Defaults to nothing.
    """

    header: list[str]
    rows: list[list[str]]
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Key:
    """An entry of a legend.

    Args:
        label: Its text.
        color: CSS color.
        kind: "dashed", "solid", "dotted" or "dashdot" for a line; "dot" for a
            point.
    """

    label: str
    color: str
    kind: str


@dataclasses.dataclass(frozen=True, eq=False)
class Chart:
    """A chart with all that explains it.

    Args:
        title: Above it.
        model: A Bokeh figure.
        summary: What it shows, for those who do not see it.
        table: The numbers behind it.
        legend: List of `Key`.
        hint: What to look for. Defaults to nothing.
        wide: Whether it takes the whole width of the page.
        least_width: Pixels below which it scrolls in its box. Defaults to 0.
        interactive: Whether it has buttons.
    """

    title: str
    model: typing.Any
    summary: str
    table: Table
    legend: list[Key] = ()
    hint: str = ""
    wide: bool = False
    least_width: int = 0
    interactive: bool = False


@dataclasses.dataclass(frozen=True)
class Picture:
    """An image with its caption.

    Args:
        source: A `data:` URI; "": there is nothing but the caption.
        alt: Instead of the image.
        lines: The caption, line by line.
    """

    source: str
    alt: str
    lines: list[str]


@dataclasses.dataclass(frozen=True, eq=False)
class Section:
    """A part of the page under a heading.

    Args:
        slug: Its anchor.
        title: Its heading.
        text: What is to be seen, or why nothing is.
        charts: List of `Chart`.
        pictures: List of `Picture`.
    """

    slug: str
    title: str
    text: str
    charts: list[Chart] = ()
    pictures: list[Picture] = ()


def number(value, form=".3f"):
    """Writes a number, or a dash where there is none.

    Args:
        value: A number, or None or NaN if unknown.
        form: How to format it.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return format(value, form)


def thinned(count):
    """Chooses rows of a long table: evenly spaced, the last one included.

    Args:
        count: How many there are.

    Returns:
        Sorted int indices, `MAX_ROWS` at most.
    """
    step = -(-count // MAX_ROWS) or 1
    return np.arange(count)[::-1][::step][::-1]


def epoch_table(columns):
    """Makes the table behind lines over epochs.

    Args:
        columns: Dict from a column's name to a pair of the epochs `(n,)` and
            the values `(n,)`.

    Returns:
        A `Table`.
    """
    values = {
        name: dict(zip(map(int, epochs), map(float, column), strict=True))
        for name, (epochs, column) in columns.items()
    }
    epochs = sorted(set().union(*values.values()))
    shown = [epochs[index] for index in thinned(len(epochs))]
    return Table(
        ["Epoch", *columns],
        [
            [str(epoch), *(number(v.get(epoch)) for v in values.values())]
            for epoch in shown
        ],
        f"{len(shown)} of {len(epochs)} epochs."
        if len(shown) < len(epochs)
        else "",
    )
