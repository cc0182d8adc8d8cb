import itertools
import json

import numpy as np
import pytest

from tf_pseudolabel.lab.data import splits
from tf_pseudolabel.lab.data.examples import Examples, ImageData
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
    return ImageData(make("train", per_class), test, unlabeled, CLASSES, 255.0)


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
        np.testing.assert_array_equal(part.images[:, 0, 0, 0], rows)
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


def test_a_given_unlabeled_pool_is_used_whole_or_sampled():
    data = make_data(unlabeled=make("unlabeled", (), labels=[-1] * 12))
    assert draw(data).unlabeled.ids.tolist() == data.unlabeled.ids.tolist()
    some = draw(data, num_unlabeled=5).unlabeled
    assert len(set(some.ids)) == 5
    assert (some.labels == -1).all()


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
    with pytest.raises(InputError, match="num_unlabeled must be at most 0"):
        draw(data, num_labeled=6, num_validation=3)


@pytest.mark.parametrize("seed", range(10))
def test_the_extra_label_goes_to_a_class_that_has_one(seed):
    data = make_data((3, 2, 2), test=make("test", (1, 1, 1)))
    data = ImageData(
        data.train, data.test, make("unlabeled", (1,)), CLASSES, 255.0
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
            for field, value in vars(part).items():
                np.testing.assert_array_equal(
                    getattr(getattr(again, name), field), value
                )


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
