import dataclasses

import numpy as np
import pytest

from tf_pseudolabel.lab.data import overview, splits
from tf_pseudolabel.lab.data.examples import Data, Examples
from tf_pseudolabel.lab.data.kinds import Images


def make(prefix, per_class, labels=None):
    if labels is None:
        labels = np.repeat(np.arange(len(per_class)), per_class)
    ids = np.array([f"{prefix}/{i}" for i in range(len(labels))])
    images = np.zeros((len(labels), 1, 1, 1), np.uint8)
    return Examples(images, np.asarray(labels, np.int64), ids)


def make_data(per_class, **sets):
    sets = {"test": None, "unlabeled": None, **sets}
    return Data(
        make("train", per_class),
        class_names=("ant", "bee"),
        kind=Images(max_value=1),
        **sets,
    )


def describe(data, **arguments):
    drawn = {"seed": 0, "held_out": "stratified", **arguments}
    return overview.describe(data, splits.draw(data, **drawn))


@pytest.fixture
def bag():
    return make("unlabeled", (), labels=[-1] * 7)


def test_one_line_says_what_goes_where(bag):
    assert describe(make_data((20, 20), unlabeled=bag)) == [
        "Examples: 28 labeled, 7 unlabeled, 4 validation (held out), 8 test "
        "(held out)."
    ]


def test_what_is_left_over_and_unused_is_counted(bag):
    data = make_data((20, 20), unlabeled=bag, test=make("test", (3, 3)))
    assert describe(data, num_labeled=10) == [
        "Examples: 10 labeled, 33 unlabeled (26 of them labels left over), 4 "
        "validation (held out), 6 test."
    ]
    (line,) = describe(make_data((20, 20)), num_labeled=10, num_unlabeled=5)
    assert line == (
        "Examples: 10 labeled, 5 unlabeled, 4 validation (held out), 8 test "
        "(held out), 13 unused."
    )


def test_imbalance_above_three_is_said(bag):
    sets = {
        "unlabeled": bag,
        "test": make("test", (1, 1)),
        "validation": make("validation", (1, 1)),
    }
    assert len(describe(make_data((30, 10), **sets))) == 1
    _, line = describe(make_data((31, 10), **sets))
    assert line == (
        'Labeled classes are imbalanced 3.1 to 1: 31 of "ant", 10 of "bee".'
    )


def test_scarce_and_missing_classes_are_named(bag):
    data = make_data((30, 1), unlabeled=bag, test=make("test", (2, 0)))
    assert describe(data)[2:] == [
        'Classes with a single labeled example: "bee".',
        'Classes without validation examples: "bee".',
        'Classes without test examples: "bee".',
    ]


def test_a_class_that_is_not_labeled_is_named():
    data = make_data((30, 9))
    split = splits.draw(data, seed=0, num_labeled=4, num_test=2)
    split = dataclasses.replace(split, labeled=data.train.take(np.arange(3)))
    assert overview.describe(data, split)[1] == (
        'Classes without labeled examples: "bee".'
    )


def test_what_whole_groups_made_of_counts_is_said(bag):
    data = make_data((20, 20), unlabeled=bag)
    groups = np.array([f"g{row // 4}" for row in range(40)])
    data = dataclasses.replace(
        data,
        train=dataclasses.replace(data.train, groups=groups),
        unlabeled=dataclasses.replace(
            bag, groups=np.array(["", *groups[::8], "x"])
        ),
    )
    split = splits.draw(data, seed=0, num_test=10, num_validation=4)
    asked = {"test": 10, "validation": 4}
    lines = overview.describe(data, split, asked)
    assert lines[1:3] == [
        "Of 1 whole groups: the 4 validation examples.",
        "Of 2 whole groups: the 8 test examples; 10 were asked for.",
    ]
    held = {*split.test.groups, *split.validation.groups} & {*groups[::8]}
    assert held
    assert lines[3] == (
        "Left out, as their groups are held out: "
        f"{len(held)} unlabeled examples."
    )
    assert f"{len(held)} unused" in lines[0]


def test_notes_of_the_source_come_first(bag):
    data = make_data((20, 20), unlabeled=bag)
    data = dataclasses.replace(data, notes=("Something was left out.",))
    assert describe(data)[0] == "Something was left out."
