import numpy as np
import pandas as pd
import pytest

from tf_pseudolabel.lab.data import classes
from tf_pseudolabel.lab.errors import InputError


def series(*labels):
    return pd.Series(labels, dtype="string[pyarrow]")


def names_of(*labels):
    return classes.names_of(classes.written(series(*labels)), "y")


def test_names_are_sorted_and_numbers_as_numbers():
    assert names_of("b", "a", "", "b", "B") == ("B", "a", "b")
    assert names_of("10", "9", "10", "-1", "2.5") == ("-1", "2.5", "9", "10")
    assert names_of("10", "9", "x", "x") == ("10", "9", "x")


def test_whole_numbers_are_written_in_one_way():
    found = classes.written(series("1", "1.0", " 2.00 ", "1.50", "007", "v1.0"))
    assert found.tolist() == ["1", "1", "2", "1.50", "007", "v1.0"]


def test_empty_and_unknown_labels_have_no_class():
    found = classes.indices_of(series("b", "", "a", "c", "b"), ("a", "b"))
    np.testing.assert_array_equal(found, [1, -1, 0, -1, 1])
    assert found.dtype == np.int64


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["", ""], "at least two classes; got no label"),
        (["a", "a", ""], r"at least two classes; got \['a'\]"),
        (["a", "b", ""], "got another label in each of 2 rows"),
        ([str(i) for i in (*range(1001), 0)], "1001 different numbers"),
        ([f"{i}.5" for i in (*range(101), 0)], "101 different numbers, which"),
    ],
)
def test_columns_without_classes(labels, message):
    with pytest.raises(InputError, match=f'column "y" .*{message}'):
        names_of(*labels)


def test_many_classes_are_classes():
    assert len(names_of(*(str(i) for i in (*range(1000), 0)))) == 1000
    assert len(names_of(*(f"w{i}" for i in (*range(2000), 0)))) == 2000


def test_rows_to_measure_with_have_a_known_class():
    def check(*labels):
        indices = classes.indices_of(series(*labels), ("a", "b"))
        classes.check_known(series(*labels), indices, "test.csv")

    check("a", "b")
    with pytest.raises(
        InputError, match=r'test\.csv .*got "c" in 2 rows.*row 1'
    ):
        check("a", "c", "c")
    with pytest.raises(InputError, match=r"got empty in 1 rows"):
        check("a", "")
