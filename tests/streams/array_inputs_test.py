import collections
import re

import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.streams import array_inputs

X = np.arange(8.0).reshape(4, 2)
Pair = collections.namedtuple("Pair", "a b")


def _refusal(x, rows=4):
    with pytest.raises(ValueError) as error:
        array_inputs.read(x, rows)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_arrays_are_not_copied():
    for x in (X, np.zeros((4, 2), "uint8"), np.array(["a"] * 4, object)):
        assert array_inputs.read(x, 4) is x
    assert array_inputs.read({"a": (X,)}, 4)["a"][0] is X


@pytest.mark.parametrize("x", [X.tolist(), tf.constant(X), list(X)], ids=str)
def test_lists_and_tensors_hold_rows(x):
    np.testing.assert_array_equal(array_inputs.read(x, 4), X)


def test_structures_are_kept():
    y = np.arange(4)
    found = array_inputs.read({"a": X, "b": (y, [1, 2, 3, 4])}, 4)
    assert found.keys() == {"a", "b"}
    assert type(found["b"]) is tuple
    np.testing.assert_array_equal(found["b"][1], [1, 2, 3, 4])

    pair = array_inputs.read(Pair(X, y), 4)
    assert type(pair) is Pair


def test_a_list_of_arrays_is_inputs_as_in_keras_or_rows():
    a, b = array_inputs.read([X, np.arange(4)], 4)
    np.testing.assert_array_equal(a, X)
    np.testing.assert_array_equal(b, np.arange(4))

    rows = array_inputs.read([np.ones(3)] * 4, 4)
    assert rows.shape == (4, 3)
    assert "which may be either" in _refusal([np.ones((4, 2))] * 4)


def test_strings_are_inputs():
    for x in (["a", "b"], np.array(["a", "b"]), tf.constant(["a", "b"])):
        found = array_inputs.read(x, 2)
        assert tf.as_dtype(found.dtype) == tf.string


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (X[:3], "equally many rows; got 3 in x and 4 in y"),
        ({"a": X, "b": X[:2]}, r"got 2 in x\['b'\] and 4"),
        ((X, X[:2]), r"got 2 in x\[1\] and 4"),
        (None, "dense array of numbers or strings.* got NoneType for x"),
        (3.0, "got float for x"),
        ({"a": "text"}, r"got str for x\['a'\]"),
        ({1, 2}, "got set for x"),
        (np.array([Ellipsis] * 4), "got ndarray for x"),
        (["a", None, "b", "c"], "got list for x"),
        (np.array(["2020-01-01"] * 4, "datetime64[D]"), "got ndarray for x"),
        (tf.ragged.constant([[1], [2, 3]]), "got RaggedTensor for x"),
        (tf.sparse.eye(4), "got SparseTensor for x"),
        ([[1, 2], [3]], "rows of one shape"),
    ],
    ids=repr,
)
def test_refusals(x, text):
    assert re.search(text, _refusal(x))


def test_sparse_matrices_are_refused():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    assert "toarray()" in _refusal(scipy_sparse.eye(4).tocsr())


# Tables.


@pytest.fixture(name="pd")
def fixture_pd():
    return pytest.importorskip("pandas", reason="pandas is not installed")


def test_numeric_columns_are_one_float_array(pd):
    table = pd.DataFrame(
        {
            "a": [1, 2],
            "b": [0.5, 1.5],
            "c": [True, False],
            "d": pd.Series([3, 4], dtype="Int64"),
        }
    )
    found = array_inputs.read(table, 2)

    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[1, 0.5, 1, 3], [2, 1.5, 0, 4]])


@pytest.mark.parametrize("kind", ["object", "str", "category"])
def test_other_columns_are_a_dict(pd, kind):
    table = pd.DataFrame(
        {"a": [1, 2], "b": pd.Series(["u", "v"], dtype=kind), "c": [0.5, 1.5]}
    )
    found = array_inputs.read(table, 2)

    assert list(found) == ["a", "b", "c"]
    assert tf.as_dtype(found["b"].dtype) == tf.string
    assert found["a"].dtype == np.int64
    for name in found:
        assert found[name].shape == (2, 1)
        assert list(found[name][:, 0]) == list(table[name])


def test_a_column_of_numbers_is_an_array(pd):
    found = array_inputs.read(pd.Series([1.0, 2.0]), 2)
    np.testing.assert_array_equal(found, [1, 2])


@pytest.mark.parametrize(
    "column",
    [[1.0, None], ["u", None], [None, None]],
)
def test_missing_values_are_refused(pd, column):
    text = _refusal(pd.DataFrame({"a": [1, 2], "b": column}), 2)
    assert re.search("must have no missing values; got . in 'b'", text)


def test_missing_values_of_nullable_columns_are_refused(pd):
    table = pd.DataFrame({"a": pd.Series([1, None], dtype="Int64")})
    assert "got 1 in 'a'" in _refusal(table, 2)


def test_columns_that_are_no_numbers_are_refused(pd):
    table = pd.DataFrame({"a": pd.to_datetime(["2020-01-01", "2021-01-01"])})
    assert "got datetime64" in _refusal(table, 2)
    mixed = pd.DataFrame({"a": [1, "u"]})
    assert "got object for column 'a'" in _refusal(mixed, 2)
    twice = pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"])
    assert "got 'a' 2 times" in _refusal(twice, 2)
