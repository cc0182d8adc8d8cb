"""What the trained arms do: sections made of their probabilities."""

import itertools

import numpy as np

from tf_pseudolabel.lab.analysis import charts, figures, predictions
from tf_pseudolabel.lab.report.cards import cards
from tf_pseudolabel.lab.report.parts import (
    ARMS,
    COLORS,
    DASHES,
    Chart,
    Key,
    Picture,
    Section,
    Table,
    number,
)
from tf_pseudolabel.lab.report.summary import calibrated

MARGIN_BINS = 20
MAX_CONFUSIONS = 30
MAX_MISTAKES = 24
MISTAKE_SIZE = 96  # pixels


def confusions(results):
    """Shows which class is taken for which on the test set.

    Args:
        results: A `Results`.

    Returns:
        A `Section`.
    """
    return Section(
        "confusion",
        "Confusion matrices",
        "Test rows by true and predicted class. Everything off the diagonal "
        "is an error; a full column is a class that swallows others.",
        [_confusion(results, arm) for arm in results.probabilities],
    )


def _confusion(results, arm):
    names, true = results.class_names, results.split.test.labels
    predicted = results.probabilities[arm]["test"].argmax(axis=-1)
    counts = predictions.confusion(true, predicted, len(names))
    labeled = len(names) <= charts.MAX_CELL_LABELS
    wide = len(names) > 12
    return Chart(
        ARMS[arm],
        charts.heat_map(counts, names),
        f"Confusion matrix of the {ARMS[arm].lower()} arm: "
        f"{np.trace(counts):,} of {counts.sum():,} test rows are right.",
        _matrix_table(counts, names)
        if labeled
        else _confusion_list(counts, names),
        wide=wide,
        least_width=80 + 27 * len(names) if labeled else 0,
    )


def _matrix_table(counts, names):
    return Table(
        ["True \\ predicted", *names],
        [
            [name, *map(str, row)]
            for name, row in zip(names, counts, strict=True)
        ],
    )


def _confusion_list(counts, names):
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MAX_CONFUSIONS]
    pairs = [divmod(cell, len(names)) for cell in order]
    return Table(
        ["True", "Predicted", "Rows"],
        [
            [names[t], names[p], str(wrong[t, p])]
            for t, p in pairs
            if wrong[t, p]
        ],
        f"The {MAX_CONFUSIONS} most frequent confusions.",
    )


def reliability(results):
    """Shows whether the arms are right as often as they are sure.

    Args:
        results: A `Results`.

    Returns:
        A `Section`.
    """
    return Section(
        "reliability",
        "Reliability",
        "Accuracy of test rows that are equally sure, in 15 bins. On the "
        "dashed line a network is right as often as it says; below it, it is "
        "too sure. The expected calibration error is the mean distance from "
        "the line over all rows (Guo et al. 2017). Most rows are in the last "
        "bins; bins of few rows say little.",
        [_reliability(results, arm) for arm in results.probabilities],
    )


def _reliability(results, arm):
    bins = calibrated(results, arm)
    error = f"expected calibration error {100 * bins.error:.2f} %"
    rows = [
        [
            f"{low:.3f} to {high:.3f}",
            f"{count:,}",
            number(float(confidence)),
            number(float(accuracy)),
        ]
        for low, high, count, confidence, accuracy in zip(
            bins.edges[:-1],
            bins.edges[1:],
            bins.count,
            bins.confidence,
            bins.accuracy,
            strict=True,
        )
    ]
    return Chart(
        f"{ARMS[arm]}: {error}",
        charts.reliability(bins, COLORS[arm]),
        f"Reliability diagram of the {ARMS[arm].lower()} arm: {error}.",
        Table(["Confidence", "Rows", "Mean confidence", "Accuracy"], rows),
    )


def margins(results):
    """Shows how far first choices are ahead, before and after.

    Args:
        results: A `Results`.

    Returns:
        A `Section`.
    """
    return Section(
        "margins",
        "Margins",
        "By how much the most probable class is ahead of the second. "
        "Pseudo-labels are meant to push rows away from the border between "
        "classes, to the right: then bins on the left get lower, the last one "
        "higher.",
        [
            _margins(results, "test", "Test rows"),
            _margins(results, "unlabeled", "Unlabeled rows"),
        ],
    )


def _margins(results, part, title):
    values, lines = {}, []
    for arm, outputs in results.probabilities.items():
        values[arm] = predictions.margins(outputs[part])
        share, edges = predictions.shares(values[arm], MARGIN_BINS)
        lines.append(
            charts.Line(ARMS[arm], edges[1:], share, COLORS[arm], DASHES[arm])
        )
    medians = [
        f"{ARMS[arm].lower()} {np.median(margin):.3f}"
        for arm, margin in values.items()
    ]
    rows = [
        [f"{low:.2f} to {high:.2f}", *(f"{line.y[i]:.4f}" for line in lines)]
        for i, (low, high) in enumerate(itertools.pairwise(edges))
    ]
    return Chart(
        title,
        charts.histogram(edges, lines, len(values[arm]), "Margin"),
        f"Histogram of margins, {title.lower()}. Medians: "
        f"{', '.join(medians)}.",
        Table(["Margin", *(line.label for line in lines)], rows),
        [Key(line.label, line.color, line.dash) for line in lines],
    )


def mistakes(results):
    """Shows the wrong rows that the pseudo-label arm is surest of.

    On unlabeled rows where their classes are known, else on test rows.

    Args:
        results: A `Results`.

    Returns:
        A `Section`.
    """
    part = "unlabeled"
    known = np.flatnonzero(results.split.unlabeled.labels >= 0)
    if not len(known):
        part, known = "test", np.arange(len(results.split.test))
    examples = getattr(results.split, part).take(known)
    outputs = results.probabilities["pseudo_label"][part][known]
    predicted, confidence = outputs.argmax(axis=-1), outputs.max(axis=-1)
    found, total = figures.surest_mistakes(
        examples.labels, predicted, confidence
    )
    found = found[:MAX_MISTAKES]
    shown = cards(results.kind, examples.take(found), MISTAKE_SIZE)
    names = results.class_names
    pictures = [
        _picture(
            card,
            names[examples.labels[row]],
            names[predicted[row]],
            confidence[row],
            examples.ids[row],
        )
        for card, row in zip(shown, found, strict=True)
    ]
    return Section(
        "mistakes",
        "Most confident mistakes",
        f"The pseudo-label arm is wrong on {total:,} of {len(known):,} {part} "
        f"rows whose class is known. "
        + (f"The {len(found)} it is surest of:" if total else ""),
        pictures=pictures,
    )


def _picture(card, true, predicted, confidence, name):
    return Picture(
        card.image,
        f"An image of {true} that was taken for {predicted}",
        [
            *filter(None, [card.text]),
            f"{true}, taken for {predicted}",
            f"confidence {confidence:.2f}",
            str(name),
        ],
    )
