import sys

import numpy as np
import pytest
from sklearn import datasets

from tf_pseudolabel.lab.data import digits
from tf_pseudolabel.lab.errors import InputError


def test_rows_are_those_of_scikit_learn_in_its_order():
    data = digits.load()
    source = datasets.load_digits()
    images = np.concatenate([data.train.read(), data.test.read()])
    labels = np.concatenate([data.train.labels, data.test.labels])
    np.testing.assert_array_equal(images[..., 0], source.images)
    np.testing.assert_array_equal(labels, source.target)
    assert images.dtype == np.uint8
    assert images.max() == data.kind.max_value == 16.0
    assert labels.dtype == np.int32
    assert data.class_names == tuple("0123456789")
    assert data.unlabeled is None


def test_the_test_set_is_the_last_500_rows():
    data = digits.load()
    assert data.train.read().shape == (1297, 8, 8, 1)
    assert data.test.read().shape == (500, 8, 8, 1)
    assert data.train.ids[0] == "digits/0"
    assert data.test.ids[[0, -1]].tolist() == ["digits/1297", "digits/1796"]


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(InputError, match=r'"tf_pseudolabel\[programs\]"'):
        digits.load()
