import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.data import columns, inputs
from tf_pseudolabel.lab.errors import InputError


def of(training=None, **cells):
    frame = pd.DataFrame(cells, dtype="string[pyarrow]")
    if training is None:
        training = len(frame)
    known = np.arange(len(frame)) < training
    found = [columns.of(x, known, where) for x in (whole(frame), parts(frame))]
    (held, notes), (again, said) = found
    assert said == notes and again.spec == held.spec
    for one, other in zip(*(held_cells(x) for x in (held, again)), strict=True):
        np.testing.assert_array_equal(one, other)
    return held, notes


def where(row):
    return f"x.csv:{row}"


def whole(frame):
    return lambda: iter([frame])


def parts(frame):
    """A row at a time."""
    return lambda: (frame[i : i + 1] for i in range(len(frame)))


def held_cells(held):
    codes = [codes for codes, _ in held.texts.values()]
    values = [values for _, values in held.texts.values()]
    return [*held.numbers.values(), *codes, *values]


def test_numbers_and_texts_and_what_is_missing():
    held, notes = of(
        number=["1", "?", " 2.5 ", "", "-3e2", "1"],
        word=["a", "b", "a", "", "b", "a"],
        zero=["0", "1", "0", "NaN", "0", "0"],
        code=["01", "x", "01", "x", "01", "x"],
    )
    found = inputs.read(held, np.array([3, 0, 2, 4]))
    np.testing.assert_array_equal(found["number"], [np.nan, 1, 2.5, -300])
    assert found["word"].tolist() == [b"", b"a", b"a", b"b"]
    np.testing.assert_array_equal(found["zero"], [np.nan, 0, 0, 0])
    assert found["code"].tolist() == [b"x", b"01", b"01", b"01"]
    assert held.spec == {
        "number": tf.TensorSpec((), tf.float32),
        "zero": tf.TensorSpec((), tf.float32),
        "word": tf.TensorSpec((), tf.string),
        "code": tf.TensorSpec((), tf.string),
    }
    assert len(held) == 6
    assert notes == [
        "Columns: 2 of numbers (number, zero), 2 of categories (word, code).",
        "Missing values: number (2), word (1), zero (1).",
    ]


def test_dates_are_days_since_1970():
    held, notes = of(
        day=["1970-01-02", "", "2024-02-29 12:00:00", "1969-12-31T06:00:00Z"],
        other=["1/2/1970", "3/4/1970", "1/2/1970", "3/4/1970"],
    )
    # 54 years and 14 leap days, less those of 2024 that had not come.
    days = 54 * 365 + 13 + 31 + 28 + 0.5
    np.testing.assert_array_equal(held.numbers["day"], [1, np.nan, days, -0.75])
    assert "1 of dates (day), 1 of categories (other)" in notes[0]


def test_dates_that_nanoseconds_do_not_reach():
    """The year 9999 says "no end" in many a database."""
    held, _ = of(day=["1970-01-02", "9999-12-31", "1600-01-01", ""])
    days = [1, 2932896, -135140, np.nan]  # By datetime.date.toordinal.
    np.testing.assert_array_equal(held.numbers["day"], days)
    floats, right = columns.parsed(
        pd.Series(["9999-12-31", "0001-01-01"]), "dates"
    )
    assert floats.tolist() == [2932896, -719162]
    assert right.all()


def test_what_nothing_is_learned_from():
    held, notes = of(
        index=["5", "6", "7", "8"],
        name=["ann", "bob", "cy", "ann"],
        same=["x", "x", "x", "x"],
        empty=["", "", "", ""],
        size=["1", "2", "4", "3"],
    )
    assert list(held.spec) == ["size"]
    assert notes[1] == (
        "Columns left out: index (the number of the row), name (nearly every "
        "row has a text of its own), same (always the same), empty (always "
        "the same)."
    )


def test_kinds_are_those_of_training_rows():
    held, _ = of(
        training=4,
        same_there=["1", "1", "1", "1", "2"],
        word=["a", "b", "a", "b", "7"],
    )
    assert list(held.spec) == ["word"]
    with pytest.raises(
        InputError, match=r'"n" must hold finite numbers.* got "x" in x\.csv:4'
    ):
        of(training=4, n=["1", "2", "4", "5", "x"])


@pytest.mark.parametrize("value", ["inf", "-Infinity", "1e39"])
def test_infinite_numbers(value):
    with pytest.raises(InputError, match=rf'got "{value}" in x\.csv:2'):
        of(n=["1", "3", value])


def test_a_table_without_columns():
    with pytest.raises(InputError, match=r"got none but id \(the number"):
        of(id=["1", "2", "3"])


def test_many_values_need_wider_numbers():
    words = [f"w{i}" for i in range(300)] * 2
    held, _ = of(word=words)
    codes, _ = held.texts["word"]
    assert codes.dtype == np.uint16
    found = inputs.read(held, np.array([299, 599, 0]))["word"]
    assert found.tolist() == [b"w299", b"w299", b"w0"]
