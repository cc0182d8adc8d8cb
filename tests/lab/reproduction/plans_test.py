import dataclasses

import pytest

from tf_pseudolabel.lab.recipes import RECIPES, lee2013
from tf_pseudolabel.lab.reproduction.plans import LABELS, PLANS


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("quick", [False, True])
def test_cells_are_told_apart(name, quick):
    cells = PLANS[name](quick).cells
    keys = [(c.method, c.variant, c.labels) for c in cells]

    assert len(set(keys)) == len(keys)
    assert all(cell.method in RECIPES for cell in cells)
    assert all(cell.recipe.seed == 0 for cell in cells)


def test_the_table_has_every_method_at_every_number_of_labels():
    found = {(c.method, c.labels) for c in PLANS["lee2013_table"]().cells}

    assert found == {
        (recipe.name, labels)
        for recipe in lee2013.PUBLISHED
        for labels in (100, 600, 1000, 3000)
    }


def test_the_table_compresses_every_method_alike():
    for cell in PLANS["lee2013_table"]().cells:
        published = dataclasses.replace(
            RECIPES[cell.method], num_labeled=cell.labels
        )
        assert cell.recipe == lee2013.compressed(
            published, lee2013.TABLE_COMPRESSION
        )


def test_quick_is_quicker():
    for name in ("lee2013_table", "lee2013_length", "mnist_conv"):
        quick, whole = (
            sum(cell.recipe.epochs for cell in PLANS[name](is_quick).cells)
            for is_quick in (True, False)
        )
        assert quick < 0.5 * whole


def test_the_published_length_is_run_with_few_and_with_many_labels():
    cells = PLANS["lee2013_length"]().cells
    longest = [cell for cell in cells if cell.recipe.epochs == 600]

    assert lee2013.PL in [cell.recipe for cell in longest]
    assert [cell.labels for cell in longest] == [600, 3000]


def test_choices_are_made_on_validation_images_of_other_splits():
    for plan in (plan() for plan in PLANS.values()):
        if plan.measured_on == "validation":
            assert plan.first_seed == 100
        else:
            assert plan.first_seed + plan.seeds <= 100


def test_alpha_goes_up_and_down_around_the_published_one():
    changes = {
        cell.variant: cell.recipe for cell in PLANS["lee2013_alpha"]().cells
    }
    assert changes["as published"].alpha_f == 3
    assert {r.alpha_f for r in changes.values()} == {0, 0.1, 1, 3, 10, 30}
    published = changes["as published"]
    ramps = {(r.t1, r.t2) for r in changes.values()}
    factor = lee2013.QUICK_COMPRESSION
    assert (published.t1, published.t2) == (100 / factor, 600 / factor)
    assert {(0.0, 0.0), (500 / factor, 600 / factor)} <= ramps


def test_outputs_that_sum_to_1_are_compared_on_the_same_splits():
    plan = PLANS["lee2013_entropy"]()

    for cell in plan.cells:
        sigmoid = lee2013.compressed(
            RECIPES[cell.method], lee2013.TABLE_COMPRESSION
        )
        assert sigmoid.output == "sigmoid"
        assert cell.recipe == dataclasses.replace(sigmoid, output="softmax")
    assert plan.first_seed == PLANS["lee2013_table"]().first_seed


def test_convolutions_keep_their_supervised_arm():
    cells = PLANS["mnist_conv"]().cells

    assert tuple(cell.labels for cell in cells) == LABELS
    assert all(cell.recipe.baseline for cell in cells)


def test_presets_stand_beside_a_longer_default_on_the_same_splits():
    plan = PLANS["digits_presets"]()
    recipes = {cell.variant: cell.recipe for cell in plan.cells}

    changed = {"t1", "t2", "epochs"}
    for field in dataclasses.fields(recipes["default"]):
        values = [
            getattr(recipe, field.name)
            for recipe in (recipes["default"], RECIPES["digits_conv"])
        ]
        assert (values[0] != values[1]) == (field.name in changed)
    assert recipes["arazo2020"].target == "soft"
    assert recipes["arazo2020"].learning_rate == pytest.approx(0.05 * 16 / 100)
    for name in ("oliver2018", "usb_pl"):
        assert recipes[name].threshold == 0.95
    assert recipes["top_share"].mean == "accepted"
    for variant, recipe in recipes.items():
        assert recipe.baseline == (variant == "default")
    assert plan.seeds == PLANS["digits"]().seeds == 5
