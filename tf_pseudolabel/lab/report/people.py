"""What is worth a human's look: rows to label, labels to doubt."""

import pathlib
import typing

import numpy as np

from tf_pseudolabel.lab.analysis import predictions
from tf_pseudolabel.lab.data import review
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.replacing import replacing
from tf_pseudolabel.lab.report.cards import cards
from tf_pseudolabel.lab.report.parts import ARMS, Picture, Section
from tf_pseudolabel.lab.runs import round_labels

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
        says: Int: the class that the arm gives it.
        confidence: Float: its probability.
        why: A string.
    """

    row: int
    says: int
    confidence: float
    why: str


def asked(results):
    """Names the arm that is asked: that which validation data speak for.

    A network that has collapsed is unsure of everything, and contradicts all.

    Args:
        results: A `Results`.

    Returns:
        A string; the pseudo-label arm where both are level, or not measured.
    """
    found = {
        arm: figures.get("validation", {}).get("accuracy", 0.0)
        for arm, figures in results.metrics.items()
    }
    return max(found, key=lambda arm: (found[arm], arm == "pseudo_label"))


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
    ours, ids = outputs.pop(asked(results)), results.split.unlabeled.ids
    counts = round_labels.flips(results.path)
    worth = {
        LEAST_SURE: 1 - predictions.margins(ours),
        FLIPPED: np.array([counts.get(i, 0) for i in ids.tolist()], float),
    }
    for theirs in outputs.values():
        differ = np.abs(ours - theirs).sum(axis=-1) / 2
        same = theirs.argmax(axis=-1) == ours.argmax(axis=-1)
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
    ours = results.probabilities[asked(results)]["train"]
    return _doubts(ours.max(axis=-1) * _contradicted(results), ours, CONFLICT)


def _contradicted(results):
    """Which labels, but for those of people, the network contradicts."""
    labeled = results.split.labeled
    ours = results.probabilities[asked(results)]["train"].argmax(axis=-1)
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


def _each_once(found):
    """Rows that there are several reasons to look at, with all of them."""
    by_row = {}
    for doubts in found.values():
        for doubt in doubts:
            by_row.setdefault(doubt.row, []).append(doubt)
    return [
        doubts[0]._replace(why="; ".join(doubt.why for doubt in doubts))
        for doubts in by_row.values()
    ]


def sections(results):
    """Shows the rows that a human should look at.

    Args:
        results: A `Results`.

    Returns:
        A list of two `Section`s.
    """
    found = unlabeled(results)
    first = {d.row for doubts in found.values() for d in doubts[:MAX_SHOWN]}
    shown = [doubt for doubt in _each_once(found) if doubt.row in first]
    wrong = int(_contradicted(results).sum())
    arm = ARMS[asked(results)].lower()
    return [
        Section(
            "review",
            "Worth a label by a human",
            f"Unlabeled rows of which the {arm} arm is least sure, on which "
            "the arms disagree, or whose label changed from round to round: "
            f"the first {MAX_SHOWN} of each. {FILE} of the run lists more, "
            "with an empty column for labels; bin/selftrain --review= takes "
            "it back.",
            pictures=_pictures(results, results.split.unlabeled, shown),
        ),
        Section(
            "conflicts",
            "Given labels to doubt",
            f"The {arm} arm contradicts {wrong:,} of the "
            f"{len(results.split.labeled):,} labels that it was trained on. "
            + (
                f"The {min(MAX_SHOWN, wrong)} it is surest of:" if wrong else ""
            ),
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
    """Writes the table for people to fill in, but not over what they wrote.

    Labels that a round of self-training has taken are not needed there.

    Args:
        results: A `Results`.
        path: The file.
    """
    path = pathlib.Path(path)
    if path.exists() and _holds_labels(path, results):
        print(f"{path} has labels by people, and stays as it is.")
        return
    with replacing(path) as partial:
        review.write(partial, table(results), COLUMNS)


def _holds_labels(path, results):
    """Whether there are labels in a table that no round has taken."""
    try:
        found = review.read(path, results.class_names)
    except InputError:
        return True  # Whatever it is, somebody has changed it.
    return not found.keys() <= round_labels.labeled_by_people(results.path)


def table(results):
    """Lists the rows that a human should look at, each once.

    Args:
        results: A `Results`.

    Returns:
        A list of dicts with the keys `COLUMNS`.
    """
    labeled, names = results.split.labeled, results.class_names
    rows = [
        (results.split.unlabeled.ids[doubt.row], "", doubt)
        for doubt in _each_once(unlabeled(results))
    ]
    rows += [
        (labeled.ids[doubt.row], names[labeled.labels[doubt.row]], doubt)
        for doubt in conflicts(results)
    ]
    return [
        {
            "id": row_id,
            "says": names[doubt.says],
            "confidence": f"{doubt.confidence:.4f}",
            "why": doubt.why,
            "given": given,
            "label": "",
        }
        for row_id, given, doubt in rows
    ]
