"""The pseudo-labels of a round of self-training, as a file."""

import csv
import pathlib
import typing

import numpy as np

from tf_pseudolabel.lab.data import review
from tf_pseudolabel.lab.errors import InputError

LABELS = "labels.csv"
CORRECTIONS = "corrections.csv"
COLUMNS = ("id", "label", "confidence", "kept", "flipped", "true_label")
_REMEDY = "Delete it, and give the same command again."


class Labels(typing.NamedTuple):
    """The pseudo-labels of a round, for each unlabeled row.

    Attributes:
        ids: `(n,)` str.
        labels: `(n,)` int64: what the teacher says.
        confidence: `(n,)` float: how sure it is.
        kept: `(n,)` bool: which rows are trained on.
        flipped: `(n,)` bool: which labels are others than a round before.
    """

    ids: np.ndarray
    labels: np.ndarray
    confidence: np.ndarray
    kept: np.ndarray
    flipped: np.ndarray


def write(own, found, true, names):
    """Writes `LABELS`.

    Args:
        own: The `RunDirectory` of the round.
        found: `Labels`.
        true: Int array `(n,)`: classes of the rows; -1 where unknown.
        names: Names of the classes.
    """
    rows = [
        {
            "id": row_id,
            "label": names[label],
            "confidence": repr(float(confidence)),
            "kept": int(kept),
            "flipped": int(flipped),
            "true_label": names[known] if known >= 0 else "",
        }
        for row_id, label, confidence, kept, flipped, known in zip(
            *found, true, strict=True
        )
    ]
    with own.replacing(LABELS) as partial:
        review.write(partial, rows, COLUMNS)


def read(path, ids, names):
    """Reads what `write` wrote.

    Args:
        path: The file.
        ids: Array `(n,)`: the rows that it must be of.
        names: Names of the classes.

    Returns:
        `Labels`.

    Raises:
        InputError: If it holds something else.
    """
    known = {name: number for number, name in enumerate(names)}
    try:
        rows = _rows(path)
        found = Labels(
            np.array([row["id"] for row in rows]),
            np.array([known[row["label"]] for row in rows]),
            np.array([float(row["confidence"]) for row in rows]),
            np.array([row["kept"] == "1" for row in rows]),
            np.array([row["flipped"] == "1" for row in rows]),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} must hold the labels of a round; got: {error!r}. {_REMEDY}"
        ) from None
    if found.ids.tolist() != ids.tolist():
        raise InputError(
            f"{path} must hold the unlabeled rows of this run; got others. "
            f"{_REMEDY}"
        )
    return found


def flips(run_path):
    """Counts how often the label of a row changed from round to round.

    Args:
        run_path: The directory of a run; one without rounds has no flips.

    Returns:
        A dict from ids to counts above 0.
    """
    counts = {}
    for file in pathlib.Path(run_path).glob(f"round-*/{LABELS}"):
        for row in _rows(file):
            if row.get("flipped") == "1":
                counts[row["id"]] = counts.get(row["id"], 0) + 1
    return counts


def labeled_by_people(run_path):
    """Returns the set of ids of which people have told the label.

    Args:
        run_path: The directory of a run.
    """
    files = pathlib.Path(run_path).glob(f"round-*/{CORRECTIONS}")
    return {row["id"] for file in files for row in _rows(file)}


def _rows(path):
    with open(
        path, newline="", encoding="utf-8", errors="surrogateescape"
    ) as file:
        return list(csv.DictReader(file))
