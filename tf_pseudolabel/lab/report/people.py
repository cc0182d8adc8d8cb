"""What is worth a human's look: rows to label, labels to doubt."""

import pathlib
import typing

import numpy as np

from tf_pseudolabel.lab.analysis import predictions
from tf_pseudolabel.lab.data import review
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.report.cards import cards
from tf_pseudolabel.lab.report.parts import Picture, Section
from tf_pseudolabel.lab.runs import round_labels, run_directory

FILE = "review.csv"
COLUMNS = ("id", "says", "confidence", "why", "given", "label")
# Of each reason: in the file, and on the page.
MAX_ROWS, MAX_SHOWN = 100, 12
PICTURE_SIZE = 96  # Pixels.
LEAST_SURE, DISAGREEMENT = "least sure", "arms disagree"
FLIPPED, CONFLICT = "changed from round to round", "contradicts its label"


class Doubt(typing.NamedTuple):
    """A row that a human should look at.

    Attributes:
        row: Int: which row of its set.
        says: Int: the class that the pseudo-label arm gives it.
        confidence: Float: its probability.
        why: A string.
    """

    row: int
    says: int
    confidence: float
    why: str


def unlabeled(results):
    """Finds the unlabeled rows that are most worth a label.

    Those whose two likeliest classes are closest, those on which the arms
    differ most (half the sum of absolute differences of probabilities), and
    those whose label changed most often from round to round of self-training.

    Args:
        results: A `Results`.

    Returns:
        A dict from a reason to a list of `Doubt`, the worthiest first.
    """
    outputs = {arm: p["unlabeled"] for arm, p in results.probabilities.items()}
    ours, ids = outputs["pseudo_label"], results.split.unlabeled.ids
    counts = round_labels.flips(results.path)
    worth = {
        LEAST_SURE: 1 - predictions.margins(ours),
        FLIPPED: np.array([counts.get(i, 0) for i in ids.tolist()], float),
    }
    if "supervised" in outputs:
        differ = np.abs(ours - outputs["supervised"]).sum(axis=-1) / 2
        same = outputs["supervised"].argmax(axis=-1) == ours.argmax(axis=-1)
        worth[DISAGREEMENT] = np.where(same, 0, differ)
    is_open = ~_told(results, results.split.unlabeled)
    return {
        why: _doubts(value * is_open, ours, why) for why, value in worth.items()
    }


def conflicts(results):
    """Finds the labeled rows whose label the network contradicts, surest first.

    Args:
        results: A `Results`.

    Returns:
        A list of `Doubt`.
    """
    ours = results.probabilities["pseudo_label"]["train"]
    return _doubts(ours.max(axis=-1) * _contradicted(results), ours, CONFLICT)


def _contradicted(results):
    """Which labels, but for those of people, the network contradicts."""
    labeled = results.split.labeled
    ours = results.probabilities["pseudo_label"]["train"].argmax(axis=-1)
    return (ours != labeled.labels) & ~_told(results, labeled)


def _told(results, examples):
    """Of which rows people have told the label."""
    told = round_labels.labeled_by_people(results.path)
    return np.array([i in told for i in examples.ids.tolist()], bool)


def _doubts(worth, probabilities, why):
    """The rows that are worth most, of those that are worth something."""
    order = np.argsort(-worth, kind="stable")[:MAX_ROWS]
    return [
        Doubt(
            int(row),
            int(probabilities[row].argmax()),
            float(probabilities[row].max()),
            why,
        )
        for row in order[worth[order] > 0]
    ]


def sections(results):
    """Shows the rows that a human should look at.

    Args:
        results: A `Results`.

    Returns:
        A list of two `Section`s.
    """
    found = unlabeled(results)
    shown = [doubt for doubts in found.values() for doubt in doubts[:MAX_SHOWN]]
    wrong = int(_contradicted(results).sum())
    return [
        Section(
            "review",
            "Worth a label by a human",
            "Unlabeled rows on which the network is least sure, on which the "
            "arms disagree, or whose label changed from round to round: the "
            f"first {MAX_SHOWN} of each. {FILE} of the run lists more, with an "
            "empty column for labels; bin/selftrain --review= takes it back.",
            pictures=_pictures(results, results.split.unlabeled, shown),
        ),
        Section(
            "conflicts",
            "Given labels to doubt",
            f"The pseudo-label arm contradicts {wrong:,} of the "
            f"{len(results.split.labeled):,} labels that it was trained on. "
            + (f"The {MAX_SHOWN} it is surest of, at most:" if wrong else ""),
            pictures=_pictures(
                results,
                results.split.labeled,
                conflicts(results)[:MAX_SHOWN],
                given=True,
            ),
        ),
    ]


def _pictures(results, examples, doubts, given=False):
    rows = examples.take(np.array([doubt.row for doubt in doubts], np.int64))
    names = results.class_names
    # Of no rows, nothing can be read.
    shown = cards(results.kind, rows, PICTURE_SIZE) if doubts else []
    return [
        Picture(
            card.image,
            f"A row that is taken for {names[doubt.says]}",
            [
                *filter(None, [card.text]),
                f"given as {names[label]}, taken for {names[doubt.says]}"
                if given
                else f"{names[doubt.says]}? {doubt.why}",
                f"confidence {doubt.confidence:.2f}",
                str(name),
            ],
        )
        for card, doubt, label, name in zip(
            shown, doubts, rows.labels, rows.ids, strict=True
        )
    ]


def write(results, path):
    """Writes the table for people to fill in, unless there is a filled one.

    Args:
        results: A `Results`.
        path: The file.
    """
    path = pathlib.Path(path)
    if path.exists() and _is_filled(path, results.class_names):
        print(f"{path} has labels by people, and stays as it is.")
        return
    parent = run_directory.RunDirectory(path.parent)
    with parent.replacing(path.name) as partial:
        review.write(partial, table(results), COLUMNS)


def _is_filled(path, names):
    try:
        return bool(review.read(path, names))
    except InputError:
        return True  # Whatever it is, somebody has changed it.


def table(results):
    """Lists the rows that a human should look at, each once.

    Args:
        results: A `Results`.

    Returns:
        A list of dicts with the keys `COLUMNS`.
    """
    split, names = results.split, results.class_names
    by_row = {}
    for doubts in unlabeled(results).values():
        for doubt in doubts:
            by_row.setdefault(doubt.row, []).append(doubt)
    found = [
        (split.unlabeled.ids[row], "", doubts[0], doubts)
        for row, doubts in by_row.items()
    ]
    found += [
        (
            split.labeled.ids[doubt.row],
            names[split.labeled.labels[doubt.row]],
            doubt,
            [doubt],
        )
        for doubt in conflicts(results)
    ]
    return [
        {
            "id": row_id,
            "says": names[doubt.says],
            "confidence": f"{doubt.confidence:.4f}",
            "why": "; ".join(each.why for each in doubts),
            "given": given,
            "label": "",
        }
        for row_id, given, doubt, doubts in found
    ]
