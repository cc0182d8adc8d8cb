import dataclasses

import numpy as np
import pytest

from tf_pseudolabel.lab.data import digits, splits, variants
from tf_pseudolabel.lab.errors import InputError


@pytest.fixture(scope="module")
def data():
    return digits.load()


def _counts(examples, classes=10):
    return np.bincount(examples.labels, minlength=classes)


def test_classes_are_thinned_by_equal_factors(data):
    found = variants.long_tailed(data, 10, seed=0)

    most = _counts(data.train).max()
    expected = np.floor(most * 10.0 ** (-np.arange(10) / 9))
    kept = np.minimum(expected, _counts(data.train))
    np.testing.assert_array_equal(_counts(found.train), kept)
    assert found.test is data.test
    assert {*found.train.ids} < {*data.train.ids}
    other = variants.long_tailed(data, 10, seed=1)
    assert {*found.train.ids} != {*other.train.ids}
    again = variants.long_tailed(data, 10, seed=0)
    assert found.train.ids.tolist() == again.train.ids.tolist()


def test_no_imbalance_changes_nothing(data):
    found = variants.long_tailed(data, 1, seed=0)

    assert found.train.ids.tolist() == data.train.ids.tolist()


def test_rows_of_other_classes_are_unlabeled_alone(data):
    found = variants.open_set(data, 6)

    assert found.class_names == data.class_names[:6]
    others = data.train.ids[data.train.labels >= 6]
    assert found.unlabeled.ids.tolist() == others.tolist()
    assert (found.unlabeled.labels == -1).all()
    for part in (found.train, found.test):
        assert _counts(part).nonzero()[0].tolist() == [0, 1, 2, 3, 4, 5]
    split = splits.draw(found, num_labeled=12, seed=0)
    assert (split.unlabeled.labels == -1).sum() == len(others)
    assert f"of 4 other classes: {len(others)}." in found.notes[-1]


def test_they_stand_beside_unlabeled_rows_of_the_source(data):
    half = np.arange(100)
    with_more = dataclasses.replace(
        data,
        train=data.train.take(np.arange(100, len(data.train))),
        unlabeled=data.train.take(half),
    )
    found = variants.open_set(with_more, 6)

    assert found.unlabeled.ids[:100].tolist() == data.train.ids[half].tolist()
    with pytest.raises(InputError, match="imbalance thins classes"):
        variants.long_tailed(with_more, 10, seed=0)


@pytest.mark.parametrize("known", [1, 10, 11])
def test_some_classes_are_left_out(known, data):
    with pytest.raises(InputError, match="give 2 to 9"):
        variants.open_set(data, known)


def test_no_class_vanishes(data):
    with pytest.raises(InputError, match="must leave a row of each class"):
        variants.long_tailed(data, 1e4, seed=0)
