import dataclasses

import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.effects import without_effect
from tf_pseudolabel.lab.reproduction import runs
from tf_pseudolabel.lab.reproduction.plans import PLANS


def test_split_after_split(plan):
    found = runs.of_plan(plan(first_seed=7, seeds=2))

    assert [(r.cell.variant, r.recipe.seed) for r in found] == [
        ("3 epochs", 7),
        ("4 epochs", 7),
        ("3 epochs", 8),
    ]
    assert len(runs.of_plan(plan(), seeds=5)) == 6


def test_flags_say_what_differs_and_nothing_else(plan):
    run = runs.of_plan(plan(seeds=1))[0]

    assert sorted(run.flags) == [
        *("--epochs=3", "--recipe=digits_conv", "--t1=1", "--t2=2"),
    ]


@pytest.mark.parametrize("quick", [False, True])
def test_flags_make_the_very_recipe_again(quick):
    """Also numbers that are no round ones in binary."""
    from absl import flags as absl_flags
    from absl.testing import flagsaver

    from tf_pseudolabel.lab.cli import train

    if "recipe" not in absl_flags.FLAGS:
        train.define_flags()
    for name in PLANS:
        for run in runs.of_plan(PLANS[name](quick), seeds=1):
            with flagsaver.flagsaver():
                absl_flags.FLAGS(["train", *run.flags])
                made = train.recipe_from_flags()
            counts = [
                name
                for name in runs._FLAGS
                if without_effect(run.recipe, name) is None
            ]
            assert [getattr(made, f) for f in counts] == [
                getattr(run.recipe, f) for f in counts
            ]


def test_a_changed_recipe_is_another_run_but_a_moved_data_set_is_not(plan):
    run = runs.of_plan(plan(seeds=1))[0]

    def changed(**values):
        recipe = dataclasses.replace(run.recipe, **values)
        return dataclasses.replace(run, recipe=recipe)

    assert changed(alpha_f=2.0).fingerprint != run.fingerprint
    assert changed(data_dir="/elsewhere").name == run.name
    assert run.name == f"digits_conv-50-0-{run.fingerprint}"


def test_some_methods():
    found = runs.of_plan(PLANS["lee2013_table"](), seeds=1)

    some = runs.of_methods(found, ["lee2013_dropnn", "lee2013_pl"])

    assert [run.cell.labels for run in some] == [
        *(100, 100, 600, 600, 1000, 1000, 3000, 3000),
    ]
    assert runs.of_methods(found, []) == found
    with pytest.raises(InputError, match=r"lee2013_dropnn, .*; got 'svm'"):
        runs.of_methods(found, ["lee2013_pl", "svm"])


def test_a_field_that_is_new_leaves_finished_runs_finished(monkeypatch, plan):
    run = runs.of_plan(plan(seeds=1))[0]
    now = run.fingerprint

    def before(field):
        """As it was when recipes did not have that field."""
        monkeypatch.setattr(runs, "_FLAGS", [f for f in flags if f != field])
        return run.fingerprint

    flags = runs._FLAGS
    assert before("mixup") == now
    assert before("epochs") != now
