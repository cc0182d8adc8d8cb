import dataclasses
import re

import numpy as np
import pytest

from tf_pseudolabel.lab.data.examples import Data, Examples
from tf_pseudolabel.lab.data.kinds import Images
from tf_pseudolabel.lab.errors import InputError


def make(prefix, labels, shape=(2, 2, 1), dtype=np.uint8):
    labels = np.array(labels, np.int64)
    images = np.arange(len(labels))[:, None, None, None] * np.ones(shape)
    ids = np.array([f"{prefix}/{i}" for i in range(len(labels))], np.str_)
    return Examples(images.astype(dtype), labels, ids)


def make_data(train, test=None, unlabeled=None):
    return Data(train, test, unlabeled, ("a", "b"), Images())


def test_take_keeps_rows_together_in_the_order_asked():
    taken = make("train", [0, 1, 0, 1]).take(np.array([3, 0]))
    assert taken.ids.tolist() == ["train/3", "train/0"]
    assert taken.labels.tolist() == [1, 0]
    assert taken.read()[:, 0, 0, 0].tolist() == [3, 0]
    assert len(taken) == 2


def test_rows_must_match():
    rows = make("train", [0, 1])
    with pytest.raises(InputError, match=r"\(2, 1, 2\)"):
        Examples(rows.read(), rows.labels[:1], rows.ids)


@pytest.mark.parametrize(
    ("images", "received"),
    [
        (np.zeros((2, 3, 3), np.uint8), "uint8 of shape (n, 3, 3)"),
        (np.zeros((2, 3, 3, 1)), "float64 of shape (n, 3, 3, 1)"),
    ],
)
def test_images_must_have_known_type_and_rank(images, received):
    rows = Examples(images, np.zeros(2, np.int64), np.array(["x", "y"]))
    with pytest.raises(InputError, match=re.escape(received)):
        make_data(rows)


def test_valid_data_with_all_sets_is_accepted():
    data = make_data(
        make("train", [0, 1]), make("test", [1]), make("unlabeled", [-1, -1])
    )
    assert len(data.unlabeled) == 2


@pytest.mark.parametrize("name", ["train", "test", "unlabeled"])
def test_empty_sets_are_refused(name):
    sets = {"train": make("train", [0, 1]), name: make(name, [])}
    with pytest.raises(InputError, match=f"the {name} set .* got 0"):
        make_data(**sets)


@pytest.mark.parametrize("name", ["train", "test"])
@pytest.mark.parametrize("label", [-1, 2])
def test_labels_outside_the_classes_are_refused(name, label):
    sets = {"train": make("train", [0, 1]), name: make(name, [0, label])}
    with pytest.raises(InputError, match=rf"0\.\.1; got {label} .*/1"):
        make_data(**sets)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_not_finite_are_refused(value):
    images = make("train", [0, 1, 0], dtype=np.float32).read()
    images[1, 0, 1, 0] = value
    train = Examples(images, np.array([0, 1, 0]), np.array(["a", "b", "c"]))
    with pytest.raises(InputError, match=r"example b \(1 such examples\)"):
        make_data(train)


@pytest.mark.parametrize("name", ["test", "unlabeled"])
def test_shapes_that_differ_are_both_named(name):
    other = make(name, [0], shape=(2, 3, 1))
    message = r"\(2, 2, 1\) uint8 in train and \(2, 3, 1\) uint8 in " + name
    with pytest.raises(InputError, match=message):
        make_data(make("train", [0, 1]), **{name: other})


def test_types_that_differ_are_both_named():
    with pytest.raises(InputError, match=r"uint8 in train .* float32 in test"):
        make_data(make("train", [0, 1]), make("test", [0], dtype=np.float32))


def test_an_id_in_two_sets_is_refused():
    rows = make("train", [0, 1])
    with pytest.raises(InputError, match="got train/1 2 times"):
        make_data(rows, rows.take(np.array([1])))


def test_groups_stay_with_their_rows():
    rows = make("train", [0, 1, 0])
    grouped = dataclasses.replace(rows, groups=np.array(["a", "", "b"]))
    assert grouped.take(np.array([2, 0])).groups.tolist() == ["b", "a"]
    assert rows.take(np.array([2, 0])).groups is None
    both = grouped.followed_by(make("more", [1]))
    assert both.groups.tolist() == ["a", "", "b", ""]
    with pytest.raises(InputError, match=r"\(3, 3, 3, 1\)"):
        dataclasses.replace(rows, groups=np.array(["a"]))


@pytest.mark.parametrize("name", ["test", "validation"])
def test_a_class_that_is_not_trained_on_is_refused(name):
    rows = make("train", [0, 0])
    sets = {"test": None, "unlabeled": None, name: make(name, [0, 1])}
    with pytest.raises(InputError, match=f'of the {name} set .* none of "b"'):
        Data(rows, class_names=("a", "b"), kind=Images(), **sets)


def test_messages_are_one_line():
    with pytest.raises(InputError) as error:
        make_data(make("train", []))
    assert "\n" not in str(error.value)
