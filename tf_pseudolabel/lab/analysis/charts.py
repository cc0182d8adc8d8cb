"""The charts of a report, as Bokeh figures.

They are as wide as the page leaves them. Legends and titles are the page's:
text that wraps, prints, and is read aloud.
"""

import dataclasses

import numpy as np
from bokeh.core.properties import value
from bokeh.models import (
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    LinearAxis,
    NumeralTickFormatter,
    PlainText,
    Range1d,
    TapTool,
)
from bokeh.plotting import figure

FONT = "system-ui, sans-serif"
GRID = "#e4e4e4"
INK = "#444444"
DIAGONAL = "#767676"
HEIGHT = 270  # pixels
MAX_CELL_LABELS = 20
# Okabe & Ito's blue: dark cells differ from light ones without their hue.
_SHADE = np.array([0x00, 0x72, 0xB2])

_IMAGE = """
<img src="@image" alt="The image of @id" width="84"
 style="image-rendering:pixelated;background:#000">
"""
_TEXT = "<div>@text</div>"
_TOOLTIP = """
<div style="display:flex;gap:8px;align-items:center;max-width:240px">
{shown}
<div>true: <b>@true</b><br>predicted: <b>@predicted_{arm}</b><br>
confidence: @confidence_{arm}{{0.00}}<br><small>@id</small></div></div>
"""


@dataclasses.dataclass(frozen=True, eq=False)
class Line:
    """One line of a chart.

    Args:
        label: What it shows.
        x: Numbers `(n,)`.
        y: Numbers `(n,)`; NaN leaves a gap.
        color: CSS color.
        dash: Bokeh's name of a dash pattern.
        width: In pixels.
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    color: str
    dash: str = "solid"
    width: float = 2


def curves(lines, y_label, y_range=None, right=None, x_label="Epoch"):
    """Draws lines over epochs.

    Args:
        lines: List of `Line`, not empty.
        y_label: What their values are.
        y_range: Pair of floats. Defaults to what the lines need.
        right: A `Line` on an axis of its own, on the right, from 0. Defaults
            to none.
        x_label: Defaults to epochs.

    Returns:
        A Bokeh figure.
    """
    plot = _plot(x_label, y_label, y_range=y_range or _around(lines))
    renderers = []
    if right:
        _add_right_axis(plot, right)
        renderers.append(_draw(plot, right, y_range_name="right"))
    renderers += [_draw(plot, line) for line in lines]
    tooltips = [("", "$name"), (x_label.lower(), "@x"), ("value", "@y{0.000}")]
    plot.add_tools(HoverTool(renderers=renderers, tooltips=tooltips, limit=3))
    return plot


def _around(lines):
    """Bokeh's own range of a level line would be two units high."""
    values = np.concatenate([line.y for line in lines])
    values = values[~np.isnan(values)]
    if not len(values):  # An epoch or two of which nothing is known.
        return 0.0, 1.0
    low, high = values.min(), values.max()
    margin = max(0.06 * (high - low), 0.01)
    return low - margin, high + margin


def _add_right_axis(plot, line):
    largest = np.nanmax(line.y)
    plot.extra_y_ranges = {
        "right": Range1d(0, 1.05 * largest if largest > 0 else 1)
    }
    axis = LinearAxis(y_range_name="right", axis_label=line.label)
    plot.add_layout(axis, "right")
    _style(axis)


def _draw(plot, line, **extra):
    source = ColumnDataSource(
        # Half the bytes; nobody sees the difference.
        {"x": np.asarray(line.x), "y": np.asarray(line.y, np.float32)}
    )
    known = np.flatnonzero(np.isfinite(source.data["y"]))
    style = {"color": line.color, "line_width": line.width, "name": line.label}
    # A lone value would be no line at all.
    if len(known) == 1:
        return plot.scatter("x", "y", source=source, **style, **extra)
    return plot.line(
        "x", "y", source=source, line_dash=line.dash, **style, **extra
    )


def heat_map(counts, names):
    """Draws a confusion matrix: shades are shares of the true class.

    Up to 20 classes have their names and numbers in the chart; more have ids.

    Args:
        counts: Int array `(classes, classes)`: rows true, columns predicted.
        names: List of strings, one per class.

    Returns:
        A Bokeh figure, as high as wide.
    """
    classes = len(names)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # Of a hundred classes, nearly all of ten thousand cells are empty.
    true, predicted = np.nonzero(counts)
    share = share[true, predicted]
    source = ColumnDataSource(
        {
            "x": predicted,
            "y": true,
            "count": counts[true, predicted],
            "text": counts[true, predicted].astype(str),
            "share": share,
            "fill": [_shade(part) for part in share],
            # Contrast of 4.5 at least on either side.
            "ink": np.where(share > 0.93, "#ffffff", "#000000"),
            "true": [names[row] for row in true],
            "predicted": [names[column] for column in predicted],
        }
    )
    plot = _plot("Predicted class", "True class", square=True)
    plot.x_range = Range1d(-0.5, classes - 0.5)
    plot.y_range = Range1d(classes - 0.5, -0.5)
    plot.grid.visible = False
    cells = plot.rect(
        "x", "y", 1, 1, source=source, fill_color="fill", line_color="#dddddd"
    )
    if classes <= MAX_CELL_LABELS:
        plot.text(
            "x",
            "y",
            "text",
            source=source,
            text_color="ink",
            text_font=value(FONT),
            text_font_size="12px" if classes <= 12 else "10px",
            text_align="center",
            text_baseline="middle",
        )
        _name_classes(plot, names)
    plot.add_tools(
        HoverTool(
            renderers=[cells],
            tooltips=[
                ("true", "@true"),
                ("predicted", "@predicted"),
                ("rows", "@count"),
                ("of the true class", "@share{0.0 %}"),
            ],
        )
    )
    return plot


def _shade(share):
    channels = np.rint(255 - share * (255 - _SHADE)).astype(int)
    return "#{:02x}{:02x}{:02x}".format(*channels)


def _name_classes(plot, names):
    ticks = list(range(len(names)))
    # Plain, so that $$ in a name is not taken for TeX.
    labels = {tick: PlainText(shorten(names[tick])) for tick in ticks}
    for axis in (plot.xaxis[0], plot.yaxis[0]):
        axis.ticker = FixedTicker(ticks=ticks)
        axis.major_label_overrides = labels
    if max(map(len, names)) > 2:
        plot.xaxis[0].major_label_orientation = "vertical"


def shorten(name, length=14):
    """Returns a class name that fits into a chart.

    Args:
        name: A string.
        length: Most characters left.
    """
    return name if len(name) <= length else name[: length - 1] + "…"


def reliability(bins, color):
    """Draws accuracy in bins of confidence, beside what it should be.

    Args:
        bins: A `calibration.Reliability`.
        color: CSS color of the bars.

    Returns:
        A Bokeh figure.
    """
    # Beyond 1, so that no dot is cut.
    plot = _plot("Confidence", "Accuracy", y_range=(0, 1.03), square=True)
    plot.x_range = Range1d(0, 1.03)
    known = bins.count > 0
    source = ColumnDataSource(
        {
            "left": bins.edges[:-1][known],
            "right": bins.edges[1:][known],
            "accuracy": bins.accuracy[known],
            "confidence": bins.confidence[known],
            "count": bins.count[known],
        }
    )
    bars = plot.quad(
        left="left",
        right="right",
        bottom=0,
        top="accuracy",
        source=source,
        fill_color=color,
        fill_alpha=0.55,
        line_color="#ffffff",
    )
    # Bins whose rows are all wrong have no bar to see.
    plot.scatter("confidence", "accuracy", source=source, color=color, size=6)
    plot.line([0, 1], [0, 1], color=DIAGONAL, line_dash="dashed")
    tooltips = [
        ("confidence", "@confidence{0.000}"),
        ("accuracy", "@accuracy{0.000}"),
        ("rows", "@count"),
    ]
    plot.add_tools(HoverTool(renderers=[bars], tooltips=tooltips))
    return plot


def histogram(edges, lines, count, x_label):
    """Draws histograms over one another, as outlines.

    On a logarithmic scale: trained networks are sure of most rows, and the
    bins of the others would be too low to see.

    Args:
        edges: Float array `(bins + 1,)`.
        lines: List of `Line` whose `y` are the shares of rows `(bins,)`.
        count: Number of rows; the axis starts at half a row.
        x_label: What was counted.

    Returns:
        A Bokeh figure.
    """
    floor = 0.5 / count
    plot = _plot(
        x_label,
        "Share of rows (log scale)",
        y_range=(floor, 1.3),
        y_axis_type="log",
    )
    plot.x_range = Range1d(edges[0], edges[-1])
    plot.yaxis.formatter = NumeralTickFormatter(format="0.[00] %")
    bins = []
    for line in lines:
        drawn = np.maximum(line.y, floor)
        outline = dataclasses.replace(
            line, x=np.repeat(edges, 2)[1:-1], y=np.repeat(drawn, 2)
        )
        _draw(plot, outline)
        bins.append(_fill(plot, edges, line, drawn, floor))
    tooltips = [
        ("", "$name"),
        (x_label.lower(), "@left{0.00} to @right{0.00}"),
        ("rows", "@share{0.0 %}"),
    ]
    plot.add_tools(HoverTool(renderers=bins, tooltips=tooltips))
    return plot


def _fill(plot, edges, line, tops, floor):
    columns = {"left": edges[:-1], "right": edges[1:], "top": tops}
    return plot.quad(
        left="left",
        right="right",
        bottom=floor,
        top="top",
        source=ColumnDataSource({**columns, "share": line.y}),
        fill_color=line.color,
        fill_alpha=0.12,
        line_color=None,
        name=line.label,
    )


def embedding(source, arm, labels):
    """Draws rows in the plane; pointing at one shows it.

    Args:
        source: A `ColumnDataSource`, shared by the arms so that the page holds
            each row once: `x_ARM`, `y_ARM`, `predicted_ARM`,
            `confidence_ARM` and `marker_ARM` for each, and `color`, `true`,
            `id` and, of pictures, `image`, else `text`.
        arm: The arm to draw.
        labels: List of pairs of a class name and its place `(x, y)`.

    Returns:
        A Bokeh figure, as high as wide.
    """
    plot = _plot(
        "t-SNE 1", "t-SNE 2", square=True, tools="pan,wheel_zoom,reset"
    )
    plot.toolbar_location = "above"
    plot.toolbar.logo = None
    # A finger that scrolls the page must not move the chart.
    plot.toolbar.active_drag = plot.toolbar.active_scroll = None
    plot.x_range, plot.y_range = _square(
        source.data[f"x_{arm}"], source.data[f"y_{arm}"]
    )
    plot.axis.major_tick_line_color = plot.axis.minor_tick_line_color = None
    plot.axis.major_label_text_font_size = "0px"
    plot.grid.visible = False
    points = plot.scatter(
        f"x_{arm}",
        f"y_{arm}",
        marker=f"marker_{arm}",
        source=source,
        color="color",
        alpha=0.75,
        size=7,
        line_width=2,  # for the crosses
        hover_line_color="#000000",
        hover_fill_color="color",
        hover_alpha=1,
        name=f"points_{arm}",
    )
    _write_names(plot, labels)
    plot.add_tools(
        HoverTool(
            renderers=[points],
            tooltips=_TOOLTIP.format(
                arm=arm, shown=_IMAGE if "image" in source.data else _TEXT
            ),
            limit=1,
        ),
        # Fingers do not hover.
        TapTool(renderers=[points], behavior="inspect"),
    )
    return plot


def _square(x, y):
    """Ranges in which distances mean the same in both directions."""
    half = max(np.ptp(x), np.ptp(y), 1) * 0.58
    return [
        Range1d(middle - half, middle + half)
        for middle in ((v.min() + v.max()) / 2 for v in (x, y))
    ]


def _write_names(plot, labels):
    names, places = [name for name, _ in labels], [at for _, at in labels]
    x, y = np.reshape(places, (-1, 2)).T
    plot.text(
        x,
        y,
        [shorten(name) for name in names],
        text_font=value(FONT),
        text_font_size="14px",
        text_font_style="bold",
        text_align="center",
        text_color="#111111",
        # Above its class, so that small ones stay in sight.
        y_offset=-9,
        background_fill_color="#ffffff",
        background_fill_alpha=0.7,
    )


def _plot(x_label, y_label, y_range=None, square=False, tools="", **options):
    plot = figure(
        sizing_mode="stretch_width",
        x_axis_label=x_label,
        y_axis_label=y_label,
        tools=tools,
        toolbar_location=None,
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color="#cccccc",
        min_border_right=12,
        # Sharp in print, too.
        output_backend="svg" if not tools else "canvas",
        **({"aspect_ratio": 1} if square else {"height": HEIGHT}),
        **({"y_range": y_range} if y_range else {}),
        **options,
    )
    plot.grid.grid_line_color = GRID
    for axis in plot.axis:
        _style(axis)
    return plot


def _style(axis):
    axis.axis_line_color = "#cccccc"
    axis.minor_tick_line_color = None
    axis.major_tick_line_color = "#cccccc"
    for part in ("axis_label", "major_label"):
        setattr(axis, f"{part}_text_font", FONT)
        setattr(axis, f"{part}_text_font_size", "12px")
        setattr(axis, f"{part}_text_font_style", "normal")
        setattr(axis, f"{part}_text_color", INK)
