"""The t-SNE section: points that show their rows."""

import dataclasses

import numpy as np
from bokeh.models import ColumnDataSource
from matplotlib.colors import to_hex

from tf_pseudolabel.lab.analysis import charts, embedding, figures
from tf_pseudolabel.lab.report.cards import Card, cards
from tf_pseudolabel.lab.report.parts import (
    ARMS,
    Chart,
    Key,
    Section,
    Table,
    number,
)
from tf_pseudolabel.lab.report.summary import correct

# What a point of the embedding adds to the page besides its thumbnail, for
# names and numbers; bytes, rounded up.
POINT_BYTES = 400


@dataclasses.dataclass(frozen=True, eq=False)
class Points:
    """Test rows to show.

    Args:
        rows: Sorted indices of test rows `(n,)`.
        cards: n `Card`s.
    """

    rows: np.ndarray
    cards: list[Card]

    @property
    def size(self):
        """Bytes that they add to a page."""
        return sum(len("".join(x)) for x in self.cards) + POINT_BYTES * len(
            self.rows
        )

    def thinned(self, share):
        """Returns a share of the points, evenly spaced.

        Args:
            share: Float in `[0, 1]`.
        """
        last = len(self.rows) - 1
        kept = np.linspace(0, last, int(share * len(self.rows)))
        kept = kept.round().astype(int)
        return Points(self.rows[kept], [self.cards[row] for row in kept])


def points(results):
    """Chooses the rows of the run's own picture, `figures/tsne.png`.

    Args:
        results: A `Results`.

    Returns:
        `Points`.
    """
    test = results.split.test
    rows = embedding.sample_rows(len(test), seed=results.recipe.seed)
    return Points(rows, cards(results.kind, test.take(rows)))


def section(results, points):
    """Shows test rows as t-SNE pictures of the arms' outputs.

    Args:
        results: A `Results`.
        points: `Points` of it; too few of them are left out.

    Returns:
        A `Section`.
    """
    slug, title = "tsne", "Test rows in the plane"
    test, rows = results.split.test, points.rows
    if len(rows) < embedding.MIN_ROWS:
        why = (
            "The test set has too few rows for t-SNE."
            if len(test) < embedding.MIN_ROWS
            else "Left out, so that the page stays small: make a report of "
            "this run alone."
        )
        return Section(slug, title, why)
    source = _source(results, points)
    return Section(
        slug,
        title,
        f"{len(rows):,} of {len(test):,} test rows, placed by t-SNE so that "
        "rows with similar outputs are neighbors. Colors and names are the "
        "true classes; crosses are rows that the arm gets wrong. Distances "
        "between far clusters mean nothing. Point at a row, or tap it, to see "
        "it; its place in the other picture is marked.",
        [
            _embedding(results, arm, rows, source, letter)
            for letter, arm in zip("ab", results.probabilities, strict=False)
        ],
    )


def _source(results, points):
    names, rows = results.class_names, points.rows
    labels = results.split.test.labels[rows]
    colors = [to_hex(color) for color in _class_colors(names)]
    columns = {
        "id": results.split.test.ids[rows].tolist(),
        "true": [names[label] for label in labels],
        "color": [colors[label] for label in labels],
    }
    if any(card.image for card in points.cards):
        columns["image"] = [card.image for card in points.cards]
    else:
        columns["text"] = [card.text for card in points.cards]
    placed, planes = results.plane
    where = np.searchsorted(placed, rows)
    for arm, outputs in results.probabilities.items():
        shown, places = outputs["test"][rows], planes[arm][where]
        columns[f"x_{arm}"], columns[f"y_{arm}"] = places.T.copy()
        predicted = shown.argmax(axis=-1)
        columns[f"predicted_{arm}"] = [names[label] for label in predicted]
        columns[f"confidence_{arm}"] = shown.max(axis=-1)
        columns[f"marker_{arm}"] = np.where(
            predicted == labels, "circle", "x"
        ).tolist()
    return ColumnDataSource(columns)


def _class_colors(names):
    count = len(names)
    # Of a list of colors, and of a continuous scale, the i-th of count.
    return figures.class_colors(count)(np.arange(count) / (count - 1))


def _embedding(results, arm, rows, source, letter):
    names, data = results.class_names, source.data
    labels = results.split.test.labels[rows]
    places = np.stack([data[f"x_{arm}"], data[f"y_{arm}"]], axis=-1)
    few = len(names) <= figures.MAX_LEGEND_CLASSES
    collapsed = not np.ptp(places, axis=0).any()
    written = [
        (names[label], np.median(places[labels == label], axis=0))
        for label in np.unique(labels)
        if few and not collapsed
    ]
    right = correct(results, arm)[rows]
    colors = [to_hex(color) for color in _class_colors(names)]
    return Chart(
        f"({letter}) {ARMS[arm]}" + ": one output for all rows" * collapsed,
        charts.embedding(source, arm, written),
        f"t-SNE picture of the {ARMS[arm].lower()} arm's outputs on "
        f"{len(rows):,} test rows, of which it gets {right.sum():,} right. "
        "The table has the figures of each class; places in the picture "
        "have no meaning of their own.",
        _class_table(results, arm, rows, right),
        [Key(*pair, "dot") for pair in zip(names, colors, strict=True)]
        if few
        else [],
        interactive=True,
    )


def _class_table(results, arm, rows, right):
    labels = results.split.test.labels[rows]
    confidence = results.probabilities[arm]["test"][rows].max(axis=-1)
    return Table(
        ["True class", "Rows", "Right", "Mean confidence"],
        [
            [
                results.class_names[label],
                f"{(labels == label).sum():,}",
                f"{right[labels == label].sum():,}",
                number(float(confidence[labels == label].mean())),
            ]
            for label in np.unique(labels)
        ],
    )
