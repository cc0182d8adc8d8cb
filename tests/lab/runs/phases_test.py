import dataclasses

import numpy as np
import pytest

from tf_pseudolabel.lab.data import batches, digits
from tf_pseudolabel.lab.runs import jobs, phases


@pytest.fixture(scope="module")
def data():
    return digits.load()


@pytest.fixture(scope="module")
def recipe(recipe_of_12_labels):
    return recipe_of_12_labels


def test_images_are_copied_only_for_a_stream_that_is_asked_for(
    recipe, data, monkeypatch
):
    """A phase outlives its training, and so would a copy that it holds."""
    copied = []
    read = batches._read
    monkeypatch.setattr(
        batches,
        "_read",
        lambda *args, **how: (
            copied.append(len(args[0])),
            read(*args, **how),
        )[1],
    )
    recipe = dataclasses.replace(recipe, labeled_epochs=1, epochs=2)
    split = jobs.draw_split(recipe, data)
    _, after = phases.phases_of(recipe, split)
    assert copied == []

    after.merged(0)

    assert sorted(copied) == [12, 20]


def test_no_unlabeled_batch_is_drawn_for_the_epochs_on_labels(recipe, data):
    recipe = dataclasses.replace(
        recipe, stream="merged", labeled_epochs=1, t1=99, t2=99
    )
    split = jobs.draw_split(recipe, data)
    alone, after = (
        phase.merged(0) for phase in phases.phases_of(recipe, split)
    )
    assert {len(x_u) for _, (x_u, _) in alone.take(4)} == {0}
    assert {len(x_u) for _, (x_u, _) in after.take(4)} == {4}


def test_an_epoch_of_labels_sees_each_label_once(recipe, data):
    split = jobs.draw_split(recipe, data)
    phase, _ = phases.phases_of(recipe, split)
    pairs = list(phase.merged(0).take(phase.steps))
    seen = np.concatenate([x.numpy() for (x, _), _ in pairs])
    assert sorted(map(np.ndarray.tobytes, seen)) == sorted(
        map(np.ndarray.tobytes, split.labeled.read())
    )


def test_an_epoch_of_so_many_updates(recipe, data):
    recipe = dataclasses.replace(recipe, labeled_epochs=0, steps_per_epoch=3)
    split = jobs.draw_split(recipe, data)
    (phase,) = phases.phases_of(recipe, split)
    assert (phase.steps, phase.labeled_steps) == (3, 3)


def test_time_is_the_epoch_but_for_alternating_streams(recipe, data):
    split = jobs.draw_split(recipe, data)
    recipe = dataclasses.replace(recipe, stream="merged")
    assert phases.clock_of(recipe, split, 0) is None

    # 3 labeled batches before every 2 of 5 unlabeled ones: 3 passes an epoch.
    recipe = dataclasses.replace(
        recipe, stream="alternating", unlabeled_batches=2, labeled_epochs=1
    )
    clock = phases.clock_of(recipe, split, 0)
    assert [clock(0, batch) for batch in range(3)] == [0, 0, 0]
    assert [clock(1, batch) for batch in range(14)] == (
        [1] * 5 + [2] * 5 + [3] * 4
    )
    # A run that goes on with batch 6.
    assert phases.clock_of(recipe, split, 6)(2, 0) == 5
