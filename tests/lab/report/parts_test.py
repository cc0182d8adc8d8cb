import math

import numpy as np
import pytest

from tf_pseudolabel.lab.report import parts


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.12345, ".3f", "0.123"),
        (1234, ",d", "1,234"),
        (math.nan, ".3f", "–"),
        (None, "d", "–"),
    ],
)
def test_numbers_and_what_is_unknown(value, form, text):
    assert parts.number(value, form) == text


@pytest.mark.parametrize(
    ("count", "rows", "first"), [(0, 0, None), (100, 100, 0), (250, 84, 0)]
)
def test_long_tables_are_thinned_from_their_end(count, rows, first):
    # 250 rows: every third from the last, 249, 246, ..., 0.
    chosen = parts.thinned(count)
    assert len(chosen) == rows
    if count:
        assert (chosen[0], chosen[-1]) == (first, count - 1)


def test_columns_may_have_different_epochs():
    table = parts.epoch_table(
        {"a": ([0, 1], [0.5, np.nan]), "b": ([1, 2], [0.25, 1])}
    )
    assert table.header == ["Epoch", "a", "b"]
    assert table.rows == [
        ["0", "0.500", "–"],
        ["1", "–", "0.250"],
        ["2", "–", "1.000"],
    ]
    assert table.note == ""


def test_a_thinned_table_says_so():
    epochs = np.arange(150)
    table = parts.epoch_table({"a": (epochs, epochs / 150)})
    assert table.note == "75 of 150 epochs."
    assert table.rows[-1][0] == "149"


def test_arms_differ_without_color():
    assert set(parts.DASHES.values()) == {"dashed", "solid"}
    assert parts.COLORS.keys() == parts.DASHES.keys() == parts.ARMS.keys()
