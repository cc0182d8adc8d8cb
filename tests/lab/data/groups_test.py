import itertools

import numpy as np
import pytest

from tf_pseudolabel.lab.data import groups, sources
from tf_pseudolabel.lab.errors import InputError


def test_a_folder_below_the_class_names_the_group():
    ids = [
        "labeled/ant/p1/a/x.png",
        "labeled/bee/p2/y.png",
        "labeled/bee/z.png",
    ]
    assert groups.of_folders(ids, 1, below=1).tolist() == ["p1", "p2", ""]
    assert groups.of_folders(ids, 2, below=1).tolist() == ["a", "", ""]
    assert groups.of_folders(["unlabeled/p1/x.png"], 1, below=0) == ["p1"]


def test_clear_of_compares_groups_and_not_their_lack():
    found = groups.clear_of(np.array(["a", "", "b"]), np.array(["b", ""]))
    assert found.tolist() == [True, True, False]


def test_a_group_on_two_sides_is_named():
    sets = {
        "labeled": np.array(["a", "b"]),
        "unlabeled": np.array(["a", ""]),
        "validation": np.array(["c", ""]),
        "test": np.array(["d"]),
    }
    groups.check_apart(sets)
    with pytest.raises(InputError, match='"c" in validation and unlabeled'):
        groups.check_apart({**sets, "unlabeled": np.array(["c"])})
    with pytest.raises(InputError, match='"c" in test and validation'):
        groups.check_apart({**sets, "test": np.array(["d", "c"])})


def in_turn(labels):
    return np.arange(len(labels))


@pytest.mark.parametrize("seed", range(30))
def test_no_other_groups_come_nearer(seed):
    """Against all subsets of up to nine groups."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 12, rng.integers(1, 10))
    names = np.repeat([f"g{i}" for i in range(len(sizes))], sizes)
    names = rng.permutation(names)
    count = int(rng.integers(1, len(names) + 1))
    sums = (
        sum(some)
        for k in range(len(sizes) + 1)
        for some in itertools.combinations(sizes.tolist(), k)
    )
    best = max(x for x in sums if x <= count)

    labels = np.zeros(len(names), np.int64)
    held = groups.hold_out(names, labels, count, in_turn, keep_last=False)

    assert held.sum() == best
    assert not set(names[held]) & set(names[~held])


def test_of_ways_that_come_as_near_the_first_in_order_is_taken():
    names = np.repeat(["a", "b", "c", "d"], [2, 3, 1, 2])
    labels = np.zeros(8, np.int64)

    def held(count, order):
        held = groups.hold_out(names, labels, count, order, keep_last=False)
        return set(names[held])

    assert held(3, in_turn) == {"a", "c"}
    assert held(3, lambda labels: np.array([1, 0, 2, 3])) == {"b"}
    assert held(4, lambda labels: np.array([3, 2, 1, 0])) == {"d", "a"}


def test_groups_are_ordered_by_their_commonest_class():
    names = np.array(["a", "a", "a", "b", "b", "b", ""])
    labels = np.array([2, 0, 2, 1, 1, 2, 0])
    seen = []

    def order(labels):
        seen.append(labels.tolist())
        return np.arange(len(labels))

    held = groups.hold_out(names, labels, 3, order, keep_last=False)
    assert seen == [[2, 1, 0]]
    assert held.tolist() == [True] * 3 + [False] * 4


def test_of_every_class_one_group_is_kept():
    names = np.array(["a", "a", "b", "b", "c", "c"])
    labels = np.array([0, 1, 0, 0, 1, 2])
    held = groups.hold_out(names, labels, 6, in_turn, keep_last=True)
    # c is the last that has classes 1 and 2, b the last of class 0.
    assert names[held].tolist() == ["a", "a"]


def test_many_rows_alone_are_held_out_to_the_row():
    names = np.full(20_000, "")
    labels = np.arange(20_000) % 3
    held = groups.hold_out(names, labels, 7001, in_turn, keep_last=True)
    assert held.sum() == 7001


@pytest.mark.parametrize("dataset", ["table", "text"])
def test_a_column_names_the_groups_of_rows(dataset, tmp_path):
    (tmp_path / "train.csv").write_text(
        "words,who,kind\n9,ann,a\n1, bob,b\n2,ann,\n3,,a\n4,cid,b\n"
    )
    (tmp_path / "more.csv").write_text("words\n5\n6\n")
    (tmp_path / "test.csv").write_text("words,who,kind\n7,dan,a\n")
    arguments = {
        "data_file": str(tmp_path / "train.csv"),
        "unlabeled_file": str(tmp_path / "more.csv"),
        "test_file": str(tmp_path / "test.csv"),
        "label_column": "kind",
        "group_column": "who",
    }
    if dataset == "text":
        arguments["text_column"] = "words"
    data = sources.load(dataset, **arguments)
    assert data.train.groups.tolist() == ["ann", "bob", "", "cid"]
    assert data.unlabeled.groups.tolist() == ["ann", "", ""]
    assert data.test.groups.tolist() == ["dan"]
    if dataset == "table":
        # Who it is must not be learned.
        assert set(data.train.spec) == {"words"}
    with pytest.raises(InputError, match="--group_column must be a column"):
        sources.load(dataset, **{**arguments, "group_column": "whom"})
    (tmp_path / "test.csv").write_text("words,who,kind\n7,cid,a\n")
    with pytest.raises(InputError, match='"cid" in test and train'):
        sources.load(dataset, **arguments)


def test_a_number_names_one_group_in_every_file(tmp_path):
    """Where one is missing, pandas writes the others with a fraction."""
    (tmp_path / "train.csv").write_text(
        "x,who,kind\n9,1.0,a\n1,2.0,b\n9,,a\n4,3.0,b\n"
    )
    (tmp_path / "test.csv").write_text("x,who,kind\n5,3,a\n6,4,b\n")
    with pytest.raises(InputError, match='"3" in test and train'):
        sources.load(
            "table",
            data_file=str(tmp_path / "train.csv"),
            test_file=str(tmp_path / "test.csv"),
            label_column="kind",
            group_column="who",
        )


def test_folders_of_texts_have_no_column_of_groups(tmp_path):
    with pytest.raises(InputError, match="got --group_column, --labeled_dir"):
        sources.load("text", labeled_dir=str(tmp_path), group_column="who")
