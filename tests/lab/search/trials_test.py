import dataclasses

import numpy as np
import pytest

from tf_pseudolabel.distribution import strategies
from tf_pseudolabel.lab.data import digits, splits
from tf_pseudolabel.lab.data.examples import Examples
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs import jobs
from tf_pseudolabel.lab.runs.interruption import Interrupted, Listener
from tf_pseudolabel.lab.search import trials
from tf_pseudolabel.lab.search.halving import SUPERVISED, Trial


def _drawn(labeled, validation, seed=0):
    return splits.draw(
        digits.load(),
        num_labeled=labeled,
        num_validation=validation,
        num_test=100,
        seed=seed,
    )


@pytest.mark.parametrize(
    ("labeled", "validation", "kept", "held_out"),
    [
        (50, 200, 50, 200),  # As in the run.
        (200, 100, 200, 100),
        (190, 20, 157, 53),  # A quarter, where less is kept for it.
    ],
)
def test_few_labels_are_split_several_times(
    labeled, validation, kept, held_out
):
    split = _drawn(labeled, validation)
    found = trials.splits_of(split, 3)

    assert len(found) == 3
    pool = {*split.labeled.ids.tolist(), *split.validation.ids.tolist()}
    for part in found:
        ours, theirs = part.labeled.ids.tolist(), part.validation.ids.tolist()
        assert {*ours, *theirs} == pool and not {*ours} & {*theirs}
        assert len(ours) == pytest.approx(kept, abs=3)
        assert len(theirs) == pytest.approx(held_out, abs=3)
        assert len(np.unique(part.labeled.labels)) == 10
        assert part.unlabeled is split.unlabeled and part.test is split.test
    assert len({tuple(part.labeled.ids.tolist()) for part in found}) == 3


def test_many_validation_rows_are_taken_as_they_are():
    split = _drawn(50, 1000)

    assert trials.splits_of(split, 3) == [split]


def test_no_group_is_on_both_sides():
    split = _drawn(60, 60)
    pool = split.labeled.followed_by(split.validation)
    of = np.array([f"group {i // 4}" for i in range(len(pool))])
    grouped = dataclasses.replace(
        split,
        labeled=_grouped(pool.take(np.arange(60)), of[:60]),
        validation=_grouped(pool.take(np.arange(60, 120)), of[60:]),
    )
    for part in trials.splits_of(grouped, 0):
        assert not {*part.labeled.groups} & {*part.validation.groups}


def _grouped(examples, groups):
    return Examples(
        examples.inputs, examples.labels, examples.ids, examples.rows, groups
    )


@pytest.fixture
def run(tiny_recipe):
    data = digits.load()
    split = jobs.draw_split(tiny_recipe, data)
    return trials.Trials(
        tiny_recipe,
        {"labeled_batch": 10},
        data,
        trials.splits_of(split, 0),
        strategies.get_strategy("default"),
        Listener(),
    )


@pytest.mark.parametrize("name", [SUPERVISED, "lee2013", "fixmatch"])
def test_a_trial_says_which_rows_held_out_are_right(name, run):
    result = run(Trial(1, name, 1, 2))

    held_out = run.splits[1].validation
    assert result.ids.tolist() == held_out.ids.tolist()
    assert result.right.shape == (len(held_out),)
    assert 0 < result.epoch_seconds < result.seconds
    again = run(Trial(1, name, 1, 2))
    np.testing.assert_array_equal(result.right, again.right)


def test_labels_alone_learn_and_test_rows_are_never_read(run, monkeypatch):
    for part in run.splits:
        object.__setattr__(part, "test", part.test.take(np.arange(0)))
    result = run(Trial(1, SUPERVISED, 0, 40))

    assert result.accuracy > 0.5


def test_what_cannot_be_trained_is_a_line(run):
    run.given = {"mixup": 1.0, "selection": "threshold"}

    found = run(Trial(0, "lee2013", 0, 1))
    assert "mixup mixes every row" in found and "\n" not in found


def test_what_the_user_gives_wins(tiny_recipe):
    found = trials.recipe_of(
        "fixmatch", tiny_recipe, {"threshold": 0.7, "epochs": 99}, 5
    )
    assert (found.threshold, found.epochs, found.views) == (0.7, 5, "auto")
    assert found.unlabeled_batch == tiny_recipe.unlabeled_batch
    alone = trials.recipe_of(SUPERVISED, tiny_recipe, {}, 5)
    assert (alone.alpha_f, alone.epochs, alone.baseline) == (0, 5, False)
    with pytest.raises(InputError, match="labeled_epochs"):
        trials.recipe_of("lee2013", tiny_recipe, {"labeled_epochs": 9}, 5)


def test_a_signal_ends_a_trial(run):
    run.listener.received = 15
    with pytest.raises(Interrupted, match="SIGTERM"):
        run(Trial(0, SUPERVISED, 0, 5))
