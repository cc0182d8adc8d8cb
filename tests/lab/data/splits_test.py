import dataclasses
import itertools
import json
import re

import numpy as np
import pytest

from tf_pseudolabel.lab.data import splits
from tf_pseudolabel.lab.data.examples import Data, Examples
from tf_pseudolabel.lab.data.kinds import Images
from tf_pseudolabel.lab.errors import InputError

CLASSES = ("ant", "bee", "cat")


def make(prefix, per_class, labels=None):
    if labels is None:
        labels = np.repeat(np.arange(len(per_class)), per_class)
    n = len(labels)
    images = np.zeros((n, 1, 1, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(n)
    ids = np.array([f"{prefix}/{i}" for i in range(n)])
    return Examples(images, np.asarray(labels, np.int64), ids)


def make_data(per_class=(40, 30, 50), test=None, unlabeled=None):
    return Data(make("train", per_class), test, unlabeled, CLASSES, Images())


def counts(examples):
    return np.bincount(examples.labels, minlength=len(CLASSES))


def draw(data=None, **arguments):
    defaults = {"num_labeled": 9, "num_validation": 6, "seed": 0}
    return splits.draw(data or make_data(), **{**defaults, **arguments})


def test_one_pool_becomes_four_disjoint_sets_that_cover_it():
    data = make_data()
    ids = draw(data).ids()
    assert {name: len(part) for name, part in ids.items()} == {
        "labeled": 9,
        "unlabeled": 120 - 9 - 6 - 24,
        "validation": 6,
        "test": 24,
    }
    assert sorted(itertools.chain(*ids.values())) == sorted(data.train.ids)


def test_rows_keep_their_own_image_and_label():
    data = make_data()
    for part in vars(draw(data)).values():
        rows = np.array([int(x.split("/")[1]) for x in part.ids])
        np.testing.assert_array_equal(part.read()[:, 0, 0, 0], rows)
        np.testing.assert_array_equal(part.labels, data.train.labels[rows])


@pytest.mark.parametrize("num_labeled", [3, 4, 5, 30])
@pytest.mark.parametrize("seed", range(3))
def test_classes_are_balanced(num_labeled, seed):
    split = draw(num_labeled=num_labeled, num_validation=7, seed=seed)
    for part, total in (("labeled", num_labeled), ("validation", 7)):
        per_class = counts(getattr(split, part))
        assert per_class.sum() == total
        assert np.ptp(per_class) <= 1
    assert counts(split.test).tolist() == [8, 8, 8]


def test_the_seed_chooses_which_class_gets_the_extra_label():
    extra = {
        int(counts(draw(num_labeled=4, seed=seed).labeled).argmax())
        for seed in range(30)
    }
    assert extra == {0, 1, 2}


def test_a_class_that_is_used_up_before_the_labels_is_named():
    with pytest.raises(InputError, match='"ant" has 0 rows left and 3 were'):
        draw(make_data((2, 40, 40)), num_test=1, num_validation=20)


def test_one_seed_gives_one_split_and_another_seed_another():
    assert draw(seed=5).ids() == draw(seed=5).ids()
    one, other = draw(seed=5).ids(), draw(seed=6).ids()
    assert all(one[name] != other[name] for name in one)


def test_fewer_labels_are_a_subset_and_the_rest_stays():
    drawn = [draw(num_labeled=n).ids() for n in (3, 6, 7, 30)]
    for few, many in itertools.pairwise(drawn):
        assert few["validation"] == many["validation"]
        assert few["test"] == many["test"]
        assert set(few["labeled"]) < set(many["labeled"])
        assert set(many["unlabeled"]) < set(few["unlabeled"])


def test_a_given_test_set_is_used_whole_or_sampled():
    data = make_data(test=make("test", (5, 5, 5)))
    whole = draw(data)
    assert whole.test.ids.tolist() == data.test.ids.tolist()
    assert len(whole.unlabeled) == 120 - 9 - 6
    some = draw(data, num_test=4).test.ids.tolist()
    assert len(set(some)) == 4
    assert set(some) < set(data.test.ids.tolist())
    assert some != draw(data, num_test=4, seed=1).test.ids.tolist()


def test_labels_left_over_join_a_given_unlabeled_pool():
    data = make_data(unlabeled=make("unlabeled", (), labels=[-1] * 12))
    split = draw(data)
    ids = split.ids()
    assert ids["unlabeled"][:12] == data.unlabeled.ids.tolist()
    assert sorted(itertools.chain(*ids.values())) == sorted(
        [*data.train.ids, *data.unlabeled.ids]
    )
    # What is known of them stays known.
    assert (split.unlabeled.labels[:12] == -1).all()
    assert (split.unlabeled.labels[12:] >= 0).all()


def test_a_given_unlabeled_pool_is_used_whole_or_sampled():
    data = make_data(unlabeled=make("unlabeled", (), labels=[-1] * 12))
    whole = draw(data, num_labeled=None)
    assert whole.unlabeled.ids.tolist() == data.unlabeled.ids.tolist()
    assert len(whole.labeled) == 120 - 24 - 6
    some = draw(data, num_labeled=None, num_unlabeled=5).unlabeled
    assert len(set(some.ids)) == 5
    assert (some.labels == -1).all()


def test_a_given_validation_set_is_used_whole_or_sampled():
    data = make_data()
    data = dataclasses.replace(data, validation=make("validation", (4, 4, 4)))
    whole = draw(data, num_validation=None)
    assert whole.validation.ids.tolist() == data.validation.ids.tolist()
    assert len(whole.unlabeled) == 120 - 24 - 9
    some = draw(data, num_validation=5).ids()["validation"]
    assert set(some) < set(data.validation.ids.tolist())
    assert splits.restore(data, whole.ids()).ids() == whole.ids()
    with pytest.raises(InputError, match=r"num_validation .* 12.* got 13"):
        draw(data, num_validation=13)


def draw_own(per_class, unlabeled=5, **arguments):
    """As one's own data are drawn: all labels, held out in proportion."""
    data = make_data(per_class, unlabeled=make("u", (), [-1] * unlabeled))
    return splits.draw(
        data, **{"seed": 0, "held_out": "stratified"} | arguments
    )


@pytest.mark.parametrize(
    ("per_class", "validation", "test"),
    [
        ((300, 30, 30), 36, 72),
        ((60, 12, 12), 8, 16),
        ((40, 30, 50), 12, 24),
        ((100, 3, 2), 10, 21),
        ((9, 3, 1), 3, 3),
        # Of three rows that can be held out, one for the test.
        ((2, 2, 2), 2, 1),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_by_default_all_labels_are_used_and_held_out_in_proportion(
    per_class, validation, test, seed
):
    split = draw_own(per_class, seed=seed)
    assert split.unlabeled.ids.tolist() == [f"u/{i}" for i in range(5)]
    labeled = sum(per_class) - validation - test
    shares = np.array(per_class) / sum(per_class)
    for name, total in (
        ("labeled", labeled),
        ("validation", validation),
        ("test", test),
    ):
        found = counts(getattr(split, name))
        assert found.sum() == total
        assert np.abs(found - total * shares).max() < 2
    assert counts(split.labeled).min() >= 1


@pytest.mark.parametrize("seed", range(5))
def test_held_out_in_proportion_every_class_that_can_has_a_row(seed):
    split = draw_own((500, 3, 2), seed=seed)
    assert counts(split.test).min() == 1
    assert counts(split.validation)[1] == 1
    assert (counts(split.labeled)[1:] == 1).all()


def test_validation_is_a_tenth_but_200_at_most():
    assert len(draw_own((1000, 500, 200)).validation) == 170
    assert len(draw_own((3000, 500, 200)).validation) == 200


def test_stratified_labels_are_in_proportion_and_nest():
    found = {
        n: draw_own((800, 160, 40), num_labeled=n, split="stratified")
        for n in (3, 10, 100, 300)
    }
    assert counts(found[3].labeled).tolist() == [1, 1, 1]
    assert np.abs(counts(found[100].labeled) - (80, 16, 4)).max() <= 1
    for few, many in itertools.pairwise(found.values()):
        assert set(few.labeled.ids) < set(many.labeled.ids)
        assert few.test.ids.tolist() == many.test.ids.tolist()
        assert few.validation.ids.tolist() == many.validation.ids.tolist()
    assert len(found[100].unlabeled) == 1000 - 200 - 100 - 100 + 5


def test_stratified_and_balanced_labels_are_another_choice():
    assert np.ptp(counts(draw_own((80, 80, 20), num_labeled=30).labeled)) == 0
    with pytest.raises(InputError, match=r"must be at most 126.*got 127"):
        draw_own((80, 80, 20), num_labeled=127, split="stratified")
    assert len(
        draw_own((80, 80, 20), num_labeled=126, split="stratified").labeled
    )


def test_what_can_be_balanced_is_named():
    message = r"lower num_labeled \(90\) to (\d+), .* --split=stratified"
    with pytest.raises(InputError, match=message) as error:
        draw_own((80, 80, 20), num_labeled=90)
    most = int(re.search(message, str(error.value)).group(1))
    assert len(draw_own((80, 80, 20), num_labeled=most).labeled) == most
    with pytest.raises(InputError, match="must be balanced"):
        draw_own((80, 80, 20), num_labeled=most + 1)


def test_classes_of_one_example_leave_nothing_to_hold_out():
    with pytest.raises(InputError, match=r"test examples .* of their own"):
        draw_own((1, 1, 1))


def test_unlabeled_rows_are_sampled_from_what_remains():
    whole, some = draw(), draw(num_unlabeled=10)
    assert len(some.unlabeled) == 10
    assert set(some.unlabeled.ids) < set(whole.unlabeled.ids)
    assert some.ids()["labeled"] == whole.ids()["labeled"]


def test_the_held_out_test_set_has_every_class():
    split = draw(make_data((5, 4, 4)), num_labeled=3, num_validation=1)
    assert counts(split.test).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_labeled": 2}, "at least 3, one per class; got 2"),
        ({"num_labeled": 0}, "num_labeled must be at least 1; got 0"),
        ({"num_validation": 0}, "num_validation .* got 0"),
        ({"num_test": -1}, "num_test .* got -1"),
        ({"num_unlabeled": 0}, "num_unlabeled .* got 0"),
        ({"seed": -3}, "seed .* got -3"),
        ({"num_test": 120}, "num_test must be at most 119.* got 120"),
        ({"num_validation": 96}, "num_validation .* 95.* got 96"),
        ({"num_unlabeled": 82}, "num_unlabeled .* 81.* got 82"),
        # 30 rows, of which the test set takes 8 and validation 2.
        ({"num_labeled": 63}, '"bee" has 20 rows left and 21 were asked'),
        ({"num_labeled": 1000}, '"bee" has 20 rows left and 334 were asked'),
    ],
)
def test_impossible_counts_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        draw(**arguments)


def test_more_test_rows_than_the_source_has_are_refused():
    data = make_data(test=make("test", (5, 5, 5)))
    with pytest.raises(InputError, match=r"at most 15, .* got 16"):
        draw(data, num_test=16)


def test_a_split_without_unlabeled_rows_is_refused():
    data = make_data((3, 3, 3), test=make("test", (1, 1, 1)))
    with pytest.raises(InputError, match="got none, as every label"):
        draw(data, num_labeled=6, num_validation=3)


@pytest.mark.parametrize("seed", range(10))
def test_the_extra_label_goes_to_a_class_that_has_one(seed):
    data = make_data((3, 2, 2), test=make("test", (1, 1, 1)))
    data = Data(
        data.train, data.test, make("unlabeled", (1,)), CLASSES, Images()
    )
    # Validation takes the row of some class; two classes have two rows left
    # and one has one or two, so four labels must always fit.
    split = draw(data, num_labeled=4, num_validation=1, seed=seed)
    assert np.ptp(counts(split.labeled)) <= 1


def test_restore_returns_the_same_rows_in_the_same_order():
    data = make_data(
        test=make("test", (5, 5, 5)), unlabeled=make("unlabeled", (4, 4))
    )
    for source in (data, make_data()):
        split = draw(source)
        again = splits.restore(source, json.loads(json.dumps(split.ids())))
        for name, part in vars(split).items():
            found = getattr(again, name)
            np.testing.assert_array_equal(found.read(), part.read())
            np.testing.assert_array_equal(found.labels, part.labels)
            np.testing.assert_array_equal(found.ids, part.ids)


def test_restore_names_an_id_that_is_gone():
    ids = draw().ids()
    ids["validation"][2] = "train/999"
    with pytest.raises(InputError, match=r"validation .* train/999"):
        splits.restore(make_data(), ids)


def test_restore_refuses_a_row_in_two_sets():
    ids = draw().ids()
    ids["labeled"][0] = ids["test"][0]
    with pytest.raises(InputError, match=f"{ids['test'][0]} 2 times"):
        splits.restore(make_data(), ids)


def test_restore_refuses_a_missing_set():
    ids = draw().ids()
    del ids["test"]
    with pytest.raises(InputError, match=r"got \['labeled', 'unl"):
        splits.restore(make_data(), ids)


def grouped(part, per_group, prefix="g"):
    """The same rows; `per_group` of them in turn share a group."""
    numbers = np.arange(len(part)) // per_group
    groups = np.array([f"{prefix}{i}" for i in numbers])
    return dataclasses.replace(part, groups=groups)


def sides(split):
    trained = {*split.labeled.groups, *split.unlabeled.groups}
    return {*split.test.groups}, {*split.validation.groups}, trained


@pytest.mark.parametrize("held_out", ["balanced", "stratified"])
@pytest.mark.parametrize("seed", range(20))
def test_no_group_is_on_two_sides(seed, held_out):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(60, 200))
    train = dataclasses.replace(
        make("train", (), rng.integers(0, 3, n)),
        groups=rng.choice([f"g{i}" for i in range(n // 4)], n),
    )
    bag = dataclasses.replace(
        make("u", (), [-1] * 30),
        groups=rng.choice(["", *(f"g{i}" for i in range(n // 2))], 30),
    )
    data = Data(train, None, bag, CLASSES, Images())
    split = draw(data, num_labeled=3, seed=seed, held_out=held_out)
    for one, other in itertools.combinations(sides(split), 2):
        assert not (one & other) - {""}
    held = {*split.test.groups, *split.validation.groups}
    ids = list(itertools.chain(*split.ids().values()))
    assert len(set(ids)) == len(ids)
    # Nothing is lost but rows of held-out groups without labels.
    lost = ~np.isin(bag.ids, ids)
    assert set(bag.groups[lost]) <= held
    assert set(train.ids) <= set(ids)
    assert len(split.test) <= n // 5
    assert len(split.validation) <= 6


def test_rows_of_no_group_are_held_out_as_without_groups():
    data = make_data((20, 20, 20))
    alone = dataclasses.replace(
        data,
        train=dataclasses.replace(data.train, groups=np.full(60, "")),
    )
    for held_out in ("balanced", "stratified"):
        split = draw(alone, held_out=held_out)
        assert counts(split.test).tolist() == [4, 4, 4]
        assert counts(split.validation).tolist() == [2, 2, 2]


def test_groups_of_one_class_are_held_out_of_every_class():
    data = make_data((40, 40, 80))
    data = dataclasses.replace(data, train=grouped(data.train, 4))
    for seed in range(10):
        split = draw(data, seed=seed, num_test=32, held_out="stratified")
        assert counts(split.test).tolist() == [8, 8, 16]


def test_one_seed_gives_one_split_of_groups_whatever_is_labeled():
    data = make_data()
    data = dataclasses.replace(data, train=grouped(data.train, 3))
    few, many = (draw(data, num_labeled=n) for n in (3, 30))
    assert few.test.ids.tolist() == many.test.ids.tolist()
    assert few.validation.ids.tolist() == many.validation.ids.tolist()
    other = draw(data, num_labeled=3, seed=1)
    assert few.test.ids.tolist() != other.test.ids.tolist()


def test_whole_groups_come_nearest_to_the_count_and_not_above():
    data = make_data((40, 40, 40))
    data = dataclasses.replace(data, train=grouped(data.train, 4))
    split = draw(data, num_test=23, num_validation=6)
    assert (len(split.test), len(split.validation)) == (20, 4)


def test_groups_that_are_all_too_large_are_refused():
    data = make_data((40, 40, 40))
    data = dataclasses.replace(data, train=grouped(data.train, 30))
    with pytest.raises(InputError, match=r"more than num_test .* got 12"):
        draw(data, num_test=12)


def test_the_last_group_of_a_class_is_not_held_out():
    train = make("train", (20, 20, 4))
    numbers = [*np.arange(40) // 2, 99, 99, 99, 99]
    train = dataclasses.replace(train, groups=np.array(numbers, str))
    data = Data(train, None, None, CLASSES, Images())
    for seed in range(20):
        split = draw(data, seed=seed, num_labeled=3, held_out="stratified")
        assert counts(split.labeled).min() == 1


def test_ids_of_some_sets_leave_the_others_to_be_drawn():
    data = make_data()
    whole = draw(data)
    ids = whole.ids()
    for names in (
        ["test"],
        ["validation", "labeled"],
        ["unlabeled"],
        list(ids),
    ):
        given = {name: ids[name][::-1] for name in names}
        unsaid = {
            f"num_{name}": None if name in given else number
            for name, number in (("labeled", 9), ("validation", 6))
        }
        split = draw(data, ids=given, **unsaid)
        found = split.ids()
        assert {name: found[name] for name in names} == given
        together = list(itertools.chain(*found.values()))
        assert len(set(together)) == len(together)
        if "unlabeled" not in names:
            assert sorted(together) == sorted(data.train.ids)


def test_ids_may_be_those_of_given_sets():
    data = make_data(
        test=make("test", (5, 5, 5)), unlabeled=make("unlabeled", (), [-1] * 4)
    )
    ids = {"test": ["test/3"], "unlabeled": ["unlabeled/1", "train/7"]}
    split = draw(data, ids=ids)
    assert split.test.ids.tolist() == ids["test"]
    assert split.unlabeled.ids.tolist() == ids["unlabeled"]
    assert not {"train/7"} & {*split.labeled.ids, *split.validation.ids}


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([], "sets of a split are labeled, .* got \\[\\]"),
        ({"train": ["train/1"]}, "got \\['train'\\]"),
        ({"test": []}, "list of ids; got \\[\\] for test"),
        ({"test": "train/1"}, "list of ids; got train/1 for test"),
        ({"test": ["train/1", 2]}, "list of ids; got .* for test"),
        ({"test": ["a"]}, "id of the test set .* got a \\(1 such"),
        ({"test": ["train/1", "train/1"]}, "train/1 2 times"),
        ({"test": ["train/1"], "labeled": ["train/1"]}, "train/1 2 times"),
        ({"labeled": ["train/1"]}, "num_labeled .* got 9, and the 1 ids"),
    ],
)
def test_ids_that_cannot_be_meant_are_refused(ids, message):
    with pytest.raises(InputError, match=message):
        draw(ids=ids)


def test_groups_of_given_ids_decide_what_else_may_be_drawn():
    data = make_data((12, 12, 12))
    data = dataclasses.replace(data, train=grouped(data.train, 2))
    ids = {"labeled": ["train/0", "train/12", "train/24"]}
    for seed in range(20):
        split = draw(data, ids=ids, num_labeled=None, seed=seed)
        for one, other in itertools.combinations(sides(split), 2):
            assert not one & other
    with pytest.raises(InputError, match=r'"g0" in test and labeled'):
        draw(data, num_labeled=None, ids={**ids, "test": ["train/1"]})


def test_given_sets_must_not_share_groups():
    train = grouped(make("train", (8, 8, 8)), 2)
    test = dataclasses.replace(train, ids=np.char.add("t", train.ids))
    with pytest.raises(InputError, match=r'"g0" in test and train \(12 such'):
        Data(train, test, None, CLASSES, Images())
