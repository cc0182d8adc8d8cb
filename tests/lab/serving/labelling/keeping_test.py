import math

import numpy as np
import pyarrow
import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving.labelling import keeping
from tf_pseudolabel.lab.serving.labelling.keeping import Keep
from tf_pseudolabel.lab.serving.labelling.rows import Rows

CONFIDENCES = (0.9, 0.8, 0.7, 0.6, 0.5, 0.95)
CLASSES = (0, 0, 0, 0, 0, 1)


class _Reader:
    """One shard of two classes and an empty one; ids are numbers of rows."""

    class_names = ("p", "q", "r")

    def __iter__(self):
        confidence = np.array(CONFIDENCES, np.float32)
        table = pyarrow.table(
            {
                "id": [str(x) for x in range(len(CLASSES))],
                "confidence": confidence,
                "source": ["model"] * len(CLASSES),
            }
        )
        ranks = confidence.view(np.uint32).astype(np.int64)
        yield Rows(
            0, table, np.array(CLASSES), ranks, pyarrow.table({"id": []})
        )


def _copies(keep):
    reader = _Reader()
    seen = keeping.seen(reader, keep.confidence, lambda bad: None)
    plan = keeping.plan(reader, keep, seen)
    copies = [plan.copies(rows).tolist() for rows in reader]
    assert plan.written.tolist() == [
        sum(np.array(copies[0])[np.array(CLASSES) == x]) for x in range(3)
    ]
    return copies[0]


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (Keep(), [1, 1, 1, 1, 1, 1]),
        # What the model calls 0.7 is 0.7, also as float32.
        (Keep(confidence=0.7), [1, 1, 1, 0, 0, 1]),
        (Keep(confidence=1.0), [0, 0, 0, 0, 0, 0]),
        (Keep(most_per_class=2), [1, 1, 0, 0, 0, 1]),
        (Keep(most_per_class=2, confidence=0.85), [1, 0, 0, 0, 0, 1]),
        # Rounded up.
        (Keep(share=0.5), [1, 1, 1, 0, 0, 1]),
        (Keep(share=0.2), [1, 0, 0, 0, 0, 1]),
        (Keep(balance=True), [1, 1, 1, 1, 1, 5]),
        (Keep(most_per_class=3, balance=True), [1, 1, 1, 0, 0, 3]),
        (Keep(confidence=0.95, balance=True), [0, 0, 0, 0, 0, 1]),
    ],
)
def test_how_often_rows_are_written(keep, expected):
    assert _copies(keep) == expected


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ((1, 1, 0, 0, 0, 0), [2, 2, 1, 1, 1, 1]),
        ((1, 1, 2, 0, 0, 0), [2, 1, 3, 1, 1, 1]),
        ((1, 1, 1, 0, 0, 0), [1, 1, 1, 1, 1, 1]),
    ],
)
def test_the_surest_are_repeated_once_more(classes, expected, monkeypatch):
    monkeypatch.setattr(f"{__name__}.CLASSES", classes)
    assert _copies(Keep(balance=True)) == expected


def test_a_share_is_what_is_written():
    # As floats, 0.07 * 100 is more than 7.
    assert math.ceil(0.07 * 100) == 8
    seen = np.array([100, 0])
    assert Keep(share=0.07).counts(seen, seen).tolist() == [7, 0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"confidence": 1.5}, "--confidence must be from 0 to 1; got 1.5"),
        ({"confidence": float("nan")}, "--confidence must be .* got nan"),
        ({"share": 0.0}, "--share must be above 0 and at most 1; got 0.0"),
        ({"most_per_class": 0}, "--most_per_class must be 1 or more; got 0"),
        ({"most_per_class": 3, "share": 0.5}, "got 3 and 0.5; give one"),
    ],
)
def test_what_cannot_be_meant(values, message):
    with pytest.raises(InputError, match=message):
        Keep(**values)
