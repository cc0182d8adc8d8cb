import numpy as np
import pytest

from tf_pseudolabel.lab.data import arrays, sources
from tf_pseudolabel.lab.data.kinds import Images
from tf_pseudolabel.lab.data.numbers import Vectors
from tf_pseudolabel.lab.errors import InputError

X = np.arange(12 * 6, dtype=np.float32).reshape(12, 6)
Y = np.arange(12) % 3


@pytest.fixture
def load(tmp_path):
    """Loads arrays through a file."""

    def call(**given):
        np.savez(tmp_path / "my.npz", **given)
        return sources.load("arrays", data_file=str(tmp_path / "my.npz"))

    return call


def test_two_arrays_are_enough(load):
    data = load(x_train=X, y_train=Y)
    assert data.class_names == ("0", "1", "2")
    np.testing.assert_array_equal(data.train.read(), X)
    assert data.train.labels.tolist() == Y.tolist()
    assert data.train.ids.tolist() == [f"train/{i}" for i in range(12)]
    assert data.test is data.unlabeled is data.validation is None
    assert isinstance(data.kind, Vectors)


def test_all_sets_and_rows_without_labels(load):
    y = np.where(Y == 2, -1, Y)
    data = load(
        x_train=X,
        y_train=y,
        x_unlabeled=X + 100,
        x_validation=X[:3] + 200,
        y_validation=[0, 1, 0],
        x_test=X[:2] + 300,
        y_test=[1, 0],
    )
    assert data.class_names == ("0", "1")
    np.testing.assert_array_equal(data.train.read(), X[Y != 2])
    unlabeled = np.concatenate([X[Y == 2], X + 100])
    np.testing.assert_array_equal(data.unlabeled.read(), unlabeled)
    assert (data.unlabeled.labels == -1).all()
    assert data.unlabeled.ids[[0, 4]].tolist() == ["train/2", "unlabeled/0"]
    assert data.validation.labels.tolist() == [0, 1, 0]
    assert data.test.ids.tolist() == ["test/0", "test/1"]
    np.testing.assert_array_equal(data.test.read(), X[:2] + 300)


@pytest.mark.parametrize(
    ("y", "names", "labels"),
    [
        (np.array(["b", "a", "", "b"]), ("a", "b"), [1, 0, -1, 1]),
        (np.array([b"b", b"\xc3\xa4", b"", b"b"]), ("b", "ä"), [0, 1, -1, 0]),
        (np.array([10, 9, -1, 9]), ("9", "10"), [1, 0, -1, 0]),
        (np.array([[10], [9], [-1], [9]]), ("9", "10"), [1, 0, -1, 0]),
        (np.array([1.0, 0.0, np.nan, 0.0]), ("0", "1"), [1, 0, -1, 0]),
        (np.float32([1.1, 0.1, -1, 0.1]), ("0.1", "1.1"), [1, 0, -1, 0]),
        (np.array([1.1, 0.1, -1, 0.1]), ("0.1", "1.1"), [1, 0, -1, 0]),
        (np.array([True, False, True, True]), ("False", "True"), [1, 0, 1, 1]),
        (np.array([0, 255, 0, 255], np.uint8), ("0", "255"), [0, 1, 0, 1]),
        (np.eye(3)[[2, 0, 0, 1]], ("0", "1", "2"), [2, 0, 0, 1]),
        (np.eye(2, 3)[[1, 0, 0]], ("0", "1"), [1, 0, 0]),
        (
            np.array([[1, 0], [0, 0], [np.nan, np.nan], [0, 1], [1, 0]]),
            ("0", "1"),
            [0, -1, -1, 1, 0],
        ),
        (np.eye(2, dtype=bool)[[1, 0, 0, 1]], ("0", "1"), [1, 0, 0, 1]),
    ],
)
def test_labels_in_the_forms_that_people_have(y, names, labels, load):
    data = load(x_train=X[: len(y)], y_train=y)
    assert data.class_names == names
    found = dict(zip(data.train.ids, data.train.labels, strict=True))
    for row, label in enumerate(labels):
        assert found.get(f"train/{row}", -1) == label


def test_images_and_their_white(load):
    x = np.arange(12 * 4 * 5).reshape(12, 4, 5)
    data = load(x_train=x.astype(np.uint8), y_train=Y)
    assert data.kind == Images(255.0)
    assert data.train.read().shape == (12, 4, 5, 1)
    test = {"x_test": x[:3] * 9.0 + 1, "y_test": [0, 1, 2]}
    data = load(x_train=x * 1.0, y_train=Y, **test)
    assert data.kind == Images(239.0)
    assert data.test.read().max() == 59 * 9 + 1


def test_rows_that_are_in_two_sets_are_left_in_one(load):
    data = load(x_train=X, y_train=Y, x_test=X[:3], y_test=Y[:3])
    assert data.train.ids.tolist() == [f"train/{i}" for i in range(3, 12)]
    assert any("copies of test" in note for note in data.notes)


TEST = {"x_test": X[:2] + 100, "y_test": [0, 1]}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"y_train": None}, r"x and y together; got x_train; rename"),
        ({"x_test": X}, "x and y together; got x_test, x_train, y_train"),
        ({"X_train": X}, "got X_train, x_train, y_train"),
        ({"y_unlabeled": Y}, "got x_train, y_train, y_unlabeled"),
        ({"y_train": Y[:5]}, "x_train and y_train .* got 12 and 5"),
        ({"x_train": X[:0], "y_train": Y[:0]}, r"one row; got shape \(0, 6\)"),
        ({"x_train": np.float32(1)}, r"one row; got shape \(\)"),
        ({"y_train": np.full(12, -1)}, "two classes; got no label; bring"),
        ({"y_train": np.zeros(12)}, r"two classes; got \['0'\]; bring"),
        ({"y_train": np.arange(12)}, "another label in each of 12 rows; bring"),
        (
            {"y_train": np.array(["a", None, "b"] * 4, object).astype(str)},
            'must be an empty string; got "None" in row 1, as str',
        ),
        ({"y_train": Y - 4}, "0 or more, or -1 for none; got -4 in row 0"),
        (
            {"y_train": np.ones((12, 3))},
            r"single 1 .* \[1.0, 1.0, 1.0\] in row",
        ),
        ({"y_train": np.zeros((12, 2, 2))}, r"float64 of shape \(12, 2, 2\)"),
        ({"y_train": Y.astype("M8[D]")}, "a number or a string; got datetime"),
        ({"y_train": Y.astype(object)}, "Python objects, .* arrays of str"),
        ({"x_train": X.astype(object)}, "Python objects, which are not"),
        ({"x_train": X.astype(str)}, "x_train must hold numbers"),
        ({**TEST, "y_test": [0, 3]}, 'label of y_test .* got "3" in 1 rows'),
        ({**TEST, "y_test": [0, -1]}, "label of y_test .* got empty in 1 rows"),
        (
            {**TEST, "x_test": X[:2, :5]},
            r"\(6,\) float32 in x_train and \(5,\)",
        ),
        ({**TEST, "x_test": X[:2] * 1j}, "and .* complex64 in x_test"),
        ({"x_unlabeled": X.astype(np.float64)}, "float64 in x_unlabeled"),
        ({"x_train": np.where(X == 8, np.nan, X)}, "got NaN .* train/1 "),
        ({"x_train": X.astype(float) * 1e100}, "got NaN or infinity"),
    ],
)
def test_what_cannot_be_meant_is_one_line(changes, problem, load):
    given = {"x_train": X, "y_train": Y, **changes}
    with pytest.raises(InputError, match=problem) as error:
        load(**{k: v for k, v in given.items() if v is not None})
    assert "\n" not in str(error.value)


def _cut(path):
    path.write_bytes(path.read_bytes()[:300])


def _flip(path):
    content = bytearray(path.read_bytes())
    content[200] ^= 255
    path.write_bytes(content)


def _single(path):
    with path.open("wb") as file:
        np.save(file, X)


def _text(path):
    path.write_text("no arrays\n")


def _pickled(path):
    X.astype(object).dump(path)


@pytest.mark.parametrize(
    "damage",
    [_cut, _flip, _single, _text, _pickled, lambda path: path.unlink()],
)
def test_files_that_hold_no_arrays_are_one_line(damage, tmp_path):
    path = tmp_path / "my.npz"
    np.savez(path, x_train=X, y_train=Y)
    damage(path)
    with pytest.raises(InputError, match=r"\.npz file .*my\.npz") as error:
        arrays.load(str(path))
    assert "\n" not in str(error.value)
