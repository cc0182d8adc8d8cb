import dataclasses

import pytest

from tf_pseudolabel.lab.recipes import PRESETS, effects
from tf_pseudolabel.lab.reproduction import family


def test_every_preset_stands_beside_the_labels_alone():
    plan = family.mnist_family()
    cells = {cell.variant: cell.recipe for cell in plan.cells}

    assert cells.keys() == set(PRESETS)
    assert [n for n, recipe in cells.items() if recipe.baseline] == [
        "lee2013",
        "fixmatch",
    ]
    assert plan.measured_on == "test"


def test_presets_share_network_updates_batches_and_rate():
    for cell in family.mnist_family().cells:
        recipe, base = cell.recipe, family.MNIST
        copies = recipe.copies if recipe.views == "auto" else 1
        assert recipe.unlabeled_batch * copies == base.unlabeled_batch
        for name in ("network", "epochs", "steps_per_epoch", "learning_rate"):
            assert getattr(recipe, name) == getattr(base, name)
        assert recipe.learning_rate_schedule == "cosine"
        assert recipe.first_learning_rate is None


PLANS = [
    family.mnist_family,
    family.mnist_family_long,
    family.mnist_imbalanced,
    family.mnist_open_set,
    family.cifar10,
    family.banking77,
    family.adult,
]


@pytest.mark.parametrize("plan", PLANS)
def test_quick_has_fewer_updates(plan):
    for quick, whole in zip(plan(True).cells, plan().cells, strict=True):
        steps = quick.recipe.steps_per_epoch
        assert steps * 10 == whole.recipe.steps_per_epoch


@pytest.mark.parametrize("plan", PLANS[1:])
def test_labels_alone_stand_beside_every_number_of_labels(plan):
    cells = plan().cells
    alone = {cell.labels for cell in cells if cell.recipe.baseline}

    assert alone == {cell.labels for cell in cells}


@pytest.mark.parametrize("plan", [family.cifar10, family.banking77])
def test_averages_are_no_longer_than_runs(plan):
    for cell in plan().cells:
        recipe = cell.recipe
        updates = recipe.epochs * recipe.steps_per_epoch
        if cell.variant in ("freematch", "softmatch"):
            assert recipe.average_decay == 0.99
        assert not [
            line
            for line in effects.long_averages(recipe, updates)
            if line.startswith("--average_decay")
        ]


def test_photos_repeat_the_best_beside_its_labels_alone():
    repeated = {
        (each.variant, each.labels): each.recipe.baseline
        for each in family.cifar10().cells
        if each.most_seeds != 1
    }

    assert repeated == {
        ("remixmatch", 250): False,
        ("fixmatch", 250): True,
        ("fixmatch", 4000): True,
    }


def test_the_guard_stands_beside_what_it_guards():
    cells = {c.variant: c.recipe for c in family.mnist_open_set().cells}

    assert {recipe.known_classes for recipe in cells.values()} == {6}
    guarded, bare = cells["fixmatch, inliers"], cells["fixmatch"]
    assert dataclasses.replace(guarded, selection="threshold") == bare
