"""The course of training: sections made of `history.csv`."""

import math

import numpy as np
from matplotlib.colors import to_hex

from tf_pseudolabel.lab.analysis import charts, figures
from tf_pseudolabel.lab.report.parts import (
    ARMS,
    COLORS,
    DASHES,
    Chart,
    Key,
    Section,
    Table,
    epoch_table,
    number,
    thinned,
)

NAMED_CLASSES = 10  # as many as there are colors to tell apart
_ALPHA = "α, weight of the pseudo-labels"
# Okabe & Ito's colors that are not those of the arms, the dark ones first.
_RUNS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"]
_OTHERS = "#b5b5b5"
_PALE = "#999999"
_DASHES = ("solid", "dashed", "dotted", "dashdot")

# Charts of the pseudo-label arm: title, axis, what to look for, and columns of
# the history with their labels.
_QUALITY = [
    (
        "Are the pseudo-labels right?",
        "Share of rows",
        "Confidence above accuracy: the network is surer than it should be.",
        {
            "pseudo_label_accuracy": "accuracy of all pseudo-labels",
            "accepted_accuracy": "accuracy of the accepted ones",
            "confidence": "mean confidence",
        },
    ),
    (
        "How many count, and how many still change?",
        "Share of rows",
        "A churn near 0 means that the network has made up its mind.",
        {
            "coverage": "coverage: unlabeled rows accepted",
            "churn": "churn: pseudo-labels changed since the last epoch",
        },
    ),
    (
        "Are sureness and class balance as they should be?",
        "0 is best, 1 worst",
        "A rising class distance means that some classes swallow others.",
        {
            "calibration_error": "calibration error",
            "class_distance": "distance from the labeled class shares",
        },
    ),
    (
        "How undecided is the network?",
        "Entropy, nats",
        "Lee's account of why pseudo-labels help: this falls as they bite.",
        {"entropy": "conditional entropy of unlabeled rows"},
    ),
]


def learning_curves(results):
    """Shows validation accuracy of the arms, and alpha.

    Args:
        results: A `Results`.

    Returns:
        A `Section`.
    """
    lines = [
        line
        for arm in ARMS
        if (line := _line(results, arm, "val_accuracy", ARMS[arm]))
    ]
    alpha = _line(results, "pseudo_label", "alpha", _ALPHA, _PALE, "dashdot")
    return _curves_section(
        lines,
        alpha,
        "Validation accuracy of the arms. A pseudo-label line that falls as α "
        "rises asks for a look at the pseudo-labels. The axis does not start "
        "at 0, and "
        "leaves out the climb of the first epochs.",
    )


def overlaid_curves(runs):
    """Shows validation accuracy of several runs in one chart.

    Args:
        runs: Dict from a run's title to its `Results`.

    Returns:
        A `Section`.
    """
    lines = [
        line
        for index, (title, results) in enumerate(runs.items())
        for arm in ARMS
        if (
            line := _line(
                results,
                arm,
                "val_accuracy",
                f"{title}: {ARMS[arm].lower()}",
                _RUNS[index % len(_RUNS)],
            )
        )
    ]
    return _curves_section(
        lines,
        None,
        "A color per run; supervised arms are dashed, pseudo-label arms solid.",
    )


def _curves_section(lines, alpha, text):
    slug, title = "curves", "Learning curves"
    if not lines:
        return Section(slug, title, "No validation accuracy was recorded.")
    both = [*lines, alpha] if alpha else lines
    limits = _limits(lines)
    model = charts.curves(lines, "Validation accuracy", limits, right=alpha)
    return Section(
        slug,
        title,
        text,
        [
            Chart(
                "Validation accuracy over training",
                model,
                _ends(lines, "Validation accuracy over epochs"),
                epoch_table({line.label: (line.x, line.y) for line in both}),
                _legend(both),
                wide=True,
            )
        ],
    )


def pseudo_labels(results):
    """Shows how good the pseudo-labels were, epoch by epoch.

    Args:
        results: A `Results`.

    Returns:
        A `Section`.
    """
    found = [_quality_chart(results, *chart) for chart in _QUALITY]
    found.append(_class_shares(results))
    found = [chart for chart in found if chart]
    return Section(
        "pseudo-labels",
        "Pseudo-labels over time",
        "What the pseudo-label arm made of the unlabeled rows, epoch by epoch."
        if found
        else "This run recorded nothing about its pseudo-labels.",
        found,
    )


def _quality_chart(results, title, axis, hint, columns):
    styles = zip(_RUNS[:1] + _RUNS[2:4], _DASHES, strict=False)
    lines = [
        line
        for (column, label), style in zip(columns.items(), styles, strict=False)
        if (line := _line(results, "pseudo_label", column, label, *style))
    ]
    if not lines:
        return None
    return Chart(
        title,
        charts.curves(lines, axis),
        _ends(lines, title),
        epoch_table({line.label: (line.x, line.y) for line in lines}),
        _legend(lines),
        hint,
    )


def _class_shares(results):
    """Which classes the accepted pseudo-labels name; None where unknown."""
    rows = [
        row
        for row in results.history
        if row["arm"] == "pseudo_label" and row.get("class_shares") is not None
    ]
    if not rows:
        return None
    rows = [rows[index] for index in thinned(len(rows))]
    epochs = [row["epoch"] for row in rows]
    shares = np.array([row["class_shares"] for row in rows])
    lines = _class_lines(epochs, shares, results.class_names)
    named = [line for line in lines if line.color != _OTHERS]
    legend = _legend(named)
    if len(named) < len(lines):
        legend.append(Key("other classes", _OTHERS, "solid"))
    return Chart(
        "Which classes do they name?",
        charts.curves(lines, "Share of accepted rows"),
        _ends(named, "Share of each class among the accepted pseudo-labels"),
        _share_table(epochs, shares, named),
        legend,
        wide=True,
    )


def _class_lines(epochs, shares, names):
    """A line per class; colors go to those that end furthest from even."""
    astray = np.abs(np.nan_to_num(shares[-1]) - 1 / len(names))
    named = sorted(np.argsort(-astray, kind="stable")[:NAMED_CLASSES])
    colors = figures.class_colors(len(named))
    styles = {
        index: (to_hex(colors(place)), _DASHES[place % len(_DASHES)])
        for place, index in enumerate(named)
    }
    others = [index for index in range(len(names)) if index not in styles]
    return [
        charts.Line(names[index], epochs, shares[:, index], *style, width)
        for indices, width in ((others, 1), (named, 2))
        for index in indices
        for style in [styles.get(index, (_OTHERS, "solid"))]
    ]


def _share_table(epochs, shares, named):
    return Table(
        ["Epoch", *(line.label for line in named), "least", "most"],
        [
            [
                str(epoch),
                *(number(line.y[place]) for line in named),
                number(shares[place].min()),
                number(shares[place].max()),
            ]
            for place, epoch in enumerate(epochs)
        ],
        f"{len(named)} of {shares.shape[1]} classes; least and most are over "
        "all."
        if len(named) < shares.shape[1]
        else "",
    )


def _line(results, arm, column, label, color=None, dash=None):
    """One column of the history; None where it holds nothing."""
    rows = [row for row in results.history if row["arm"] == arm]
    values = np.array([row.get(column, math.nan) for row in rows])
    if not np.isfinite(values).any():
        return None
    epochs = [row["epoch"] for row in rows]
    color, dash = color or COLORS[arm], dash or DASHES[arm]
    return charts.Line(label, epochs, values, color, dash)


def _limits(lines):
    """Hides the climb of the first epochs, as the figures of a run do."""
    values = np.concatenate([line.y for line in lines])
    values = values[np.isfinite(values)]
    low = np.percentile(values, figures.LOW_PERCENTILE)
    margin = max(0.05 * (values.max() - low), figures.SMALLEST_MARGIN)
    return low - margin, values.max() + margin


def _legend(lines):
    return [Key(line.label, line.color, line.dash) for line in lines]


def _ends(lines, what):
    """Says where lines end, for those who do not see them."""
    ends = []
    for line in lines:
        known = np.flatnonzero(np.isfinite(line.y))
        if len(known):
            last = known[-1]
            ends.append(
                f"{line.label} ends at {line.y[last]:.3f} in epoch "
                f"{line.x[last]}"
            )
    return f"{what}: {'; '.join(ends)}."
