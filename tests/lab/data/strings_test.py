import numpy as np
import pytest

from tf_pseudolabel.lab.data import strings
from tf_pseudolabel.lab.data.strings import Strings


@pytest.fixture
def names():
    return Strings(lambda rows: [f"x{row}" for row in rows], np.arange(9000))


def test_strings_are_made_when_they_are_asked_for(names):
    assert len(names) == 9000
    assert names[-1] == "x8999"
    some = names[np.array([3, 1])]
    assert some.tolist() == list(some) == ["x3", "x1"]
    assert names[4095:4098].tolist() == ["x4095", "x4096", "x4097"]
    assert names.tolist() == [f"x{i}" for i in range(9000)]
    np.testing.assert_array_equal(some, np.array(["x3", "x1"]))
    assert names[np.zeros(0, int)].tolist() == []


def test_strings_of_one_or_several_makers_follow_each_other(names):
    assert isinstance(names[:1].followed_by(names[5:6]), Strings)
    assert names[:1].followed_by(names[5:6]).tolist() == ["x0", "x5"]
    assert names[:1].followed_by(np.array(["y"])).tolist() == ["x0", "y"]


def test_places_and_what_is_repeated(names):
    wanted = np.array(["x7", "y", "x0"])
    assert strings.places(names, wanted).tolist() == [7, -1, 0]
    assert strings.places([], ["a"]).tolist() == [-1]
    assert strings.repeated(names, wanted[1:2]) is None
    assert strings.repeated([]) is None
    assert strings.repeated(["a", "b"], np.array(["b", "a", "b"])) == ("b", 3)
    assert strings.repeated(["b", "a"], ["a", "b"]) == ("b", 2)
