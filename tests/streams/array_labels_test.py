import re

import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.streams import array_labels

NAN = float("nan")


def _refusal(y):
    with pytest.raises(ValueError) as error:
        array_labels.read(y)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "y",
    [
        [0, 2, -1, 1],
        (0, 2, -1, 1),
        [0, 2, None, 1],
        [0.0, 2.0, NAN, 1.0],
        [0, 2, "", 1],
        np.array([0, 2, -1, 1], "int8"),
        np.array([0, 2, -1, 1], "float32"),
        np.array([0, 2, NAN, 1]),
        np.array([0, 2, None, 1], object),
        np.array([0, 2, NAN, 1], object),
        np.ma.array([0, 2, 0, 1], mask=[0, 0, 1, 0]),
        tf.constant([0, 2, -1, 1]),
    ],
    ids=repr,
)
def test_ids(y):
    values, is_known, names = array_labels.read(y)

    assert values.dtype.kind == "i"
    np.testing.assert_array_equal(values, [0, 2, -1, 1])
    np.testing.assert_array_equal(is_known, [True, True, False, True])
    assert names is None


@pytest.mark.parametrize(
    "y", [[True, None, False], np.array([1.0, NAN, 0.0]), [True, -1, False]]
)
def test_two_classes(y):
    values, is_known, _ = array_labels.read(y)

    np.testing.assert_array_equal(values, [1, -1, 0])
    np.testing.assert_array_equal(is_known, [True, False, True])


@pytest.mark.parametrize(
    "y",
    [
        ["dog", "", "cat", "dog"],
        ["dog", None, "cat", "dog"],
        ["dog", NAN, "cat", "dog"],
        ["dog", -1, "cat", "dog"],
        np.array(["dog", "", "cat", "dog"]),
        np.array([b"dog", b"", b"cat", b"dog"]),
        tf.constant(["dog", "", "cat", "dog"]),
    ],
    ids=repr,
)
def test_names(y):
    values, is_known, names = array_labels.read(y)

    assert names == ["cat", "dog"]
    assert all(type(name) is str for name in names)
    np.testing.assert_array_equal(values, [1, -1, 0, 1])
    np.testing.assert_array_equal(is_known, [True, False, True, True])


def test_one_column_stays_one():
    values, is_known, _ = array_labels.read([["b"], [""], ["a"]])

    np.testing.assert_array_equal(values, [[1], [-1], [0]])
    np.testing.assert_array_equal(is_known, [True, False, True])


@pytest.mark.parametrize(
    "y",
    [
        [[0, 0, 1], [0, 0, 0], [1, 0, 0]],
        [[0.0, 0.0, 1.0], [NAN, NAN, NAN], [1.0, 0.0, 0.0]],
        [[0.0, 0.0, 1.0], [None, None, None], [1.0, 0.0, 0.0]],
        [[False, False, True], [False, False, False], [True, False, False]],
        [[0.2, 0.3, 0.5], [0.0, 0.0, 0.0], [0.5, 0.5, 0.0]],
        # Rows of -1 are those of ids, and known rows are told by shape.
        [[0, 0, 1], [-1, -1, -1], [1, 0, 0]],
    ],
)
def test_one_value_per_class(y):
    values, is_known, names = array_labels.read(y)

    np.testing.assert_array_equal(is_known, [True, False, True])
    for row in (0, 2):
        np.testing.assert_array_equal(values[row], y[row])
    assert names is None


@pytest.mark.parametrize("unknown", [-1, NAN])
def test_ids_of_positions(unknown):
    """Where -1 is among them, a row of zeros is one of class 0."""
    y = [[0, 0, 0], [unknown] * 3, [2, unknown, 1], [0, 3, 3]]
    values, is_known, _ = array_labels.read(y)

    np.testing.assert_array_equal(is_known, [True, False, True, True])
    np.testing.assert_array_equal(
        values, [[0, 0, 0], [-1, -1, -1], [2, -1, 1], [0, 3, 3]]
    )


def test_names_of_positions():
    values, is_known, names = array_labels.read(
        [["O", "person"], ["", ""], ["place", ""]]
    )

    assert names == ["O", "person", "place"]
    np.testing.assert_array_equal(values, [[0, 1], [-1, -1], [2, -1]])
    np.testing.assert_array_equal(is_known, [True, False, True])


def test_masks_of_pixels_keep_their_type():
    y = np.zeros((4, 3, 3), "int8")
    y[1], y[2, 0], y[3] = 1, 2, -1
    values, is_known, _ = array_labels.read(y)

    assert values is y
    np.testing.assert_array_equal(is_known, [True, True, True, False])


@pytest.mark.parametrize(
    ("y", "text"),
    [
        ([0, 1, 2], "must leave some rows unlabeled; got 3 labels for 3 rows"),
        ([-1, -1], "must hold some labels; got 2 rows without"),
        ([], "must hold some labels; got 0 rows"),
        ([3, 3, -1], "two classes at least; got 1 in 2 labeled rows"),
        ([[1.0, 0], [1, 0], [0, 0]], "two classes at least; got 1"),
        # Of one class, -1 is no name.
        ([1, 1, -1, -1], "two classes at least"),
        ([0, 1, -2], "-1 where a label is unknown; got -2"),
        ([0.5, 1, NAN], "must hold class ids 0, 1, ….* got 0.5"),
        (["cat", 1, None], "class ids or class names; got both, 'cat' and 1"),
        (np.array(["a", "b", NAN]), r"names \['nan'\], which NumPy makes of"),
        (np.array(["a", "b", -1]), r"names \['-1'\]"),
        ([[1, 0], None, [0, 1]], "rows of one shape"),
        (None, "a label for every row, -1 where it is unknown; got NoneType"),
        ({"a": 1}, "got dict"),
        (
            [Ellipsis, None],
            "class ids, class names or one .* got ellipsis",
        ),
        (
            np.array(["2020-01-01", "NaT"], "datetime64[D]"),
            "class ids, class names or one value per class",
        ),
    ],
    ids=repr,
)
def test_refusals(y, text):

    assert re.search(text, _refusal(y))


# Columns of tables.


@pytest.fixture(name="pd")
def fixture_pd():
    return pytest.importorskip("pandas", reason="pandas is not installed")


@pytest.mark.parametrize("kind", ["object", "str", "string", "category"])
def test_a_column_of_names(pd, kind):
    values, is_known, names = array_labels.read(
        pd.Series(["b", None, "a"], dtype=kind)
    )

    assert names == ["a", "b"]
    np.testing.assert_array_equal(values, [1, -1, 0])
    np.testing.assert_array_equal(is_known, [True, False, True])


@pytest.mark.parametrize("kind", ["Int64", "float64", "category", "boolean"])
def test_a_column_of_ids(pd, kind):
    y = pd.Series([1, None, 0], dtype=kind)
    for column in (y, y.array, y.to_frame()["y" if y.name else 0]):
        values, is_known, names = array_labels.read(column)
        np.testing.assert_array_equal(values, [1, -1, 0])
        np.testing.assert_array_equal(is_known, [True, False, True])
        assert names is None


@pytest.mark.parametrize("as_series", [False, True])
def test_categories_bring_their_order(pd, as_series):
    """And those without a row: the network has outputs for them."""
    y = pd.Categorical(
        ["low", None, "high"], categories=["low", "medium", "high"]
    )
    values, _, names = array_labels.read(pd.Series(y) if as_series else y)

    assert names == ["low", "medium", "high"]
    np.testing.assert_array_equal(values, [0, -1, 2])


def test_a_table_of_dummies(pd):
    y = pd.get_dummies(pd.Series(["a", None, "b"]))
    values, is_known, _ = array_labels.read(y)

    assert values.shape == (3, 2)
    np.testing.assert_array_equal(is_known, [True, False, True])


def test_absent_values(pd):
    for value in (None, NAN, np.float32("nan"), pd.NA, pd.NaT):
        assert array_labels.is_absent(value)
    for value in (0, -1, "", "nan", False):
        assert not array_labels.is_absent(value)
