import dataclasses
import json

import pytest

from tf_pseudolabel.lab import recipes
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.choices import row_of, terms_of
from tf_pseudolabel.lab.recipes.effects import without_effect
from tf_pseudolabel.lab.recipes.recipe import (
    Recipe,
    read_recipe,
    recipe_class,
    with_parts,
)


def _write(path, recipe):
    content = {"recipe": dataclasses.asdict(recipe), "versions": {}}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_named_recipes_survive_json(name, tmp_path):
    recipe = recipes.RECIPES[name]
    assert recipe.name == name
    assert read_recipe(_write(tmp_path / "recipe.json", recipe)) == recipe


def test_every_kind_of_value_survives_json(tmp_path):
    recipe = Recipe(
        labeled_dir="Übung/äöü",
        image_size=12,
        t1=0.5,
        mixed_precision="bfloat16",
        baseline=False,
    )
    assert read_recipe(_write(tmp_path / "recipe.json", recipe)) == recipe


def test_what_was_lowered_is_read_on_demand(tmp_path):
    recipe, path = Recipe(unlabeled_batch=128), tmp_path / "recipe.json"
    record = {
        "recipe": dataclasses.asdict(recipe),
        "lowered": {"unlabeled_batch": 30},
    }
    path.write_text(json.dumps(record))
    assert read_recipe(path) == recipe
    assert read_recipe(path, as_run=True).unlabeled_batch == 30
    path.write_text(json.dumps({**record, "lowered": [1]}))
    with pytest.raises(InputError, match=r"must be the recipe\.json of a run"):
        read_recipe(path, as_run=True)


def test_the_default_is_a_named_recipe():
    assert recipes.RECIPES[recipes.DEFAULT].dataset == "digits"


def test_a_recipe_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().epochs = 3


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"not json", "Expecting value"),
        (b"\xff\xfe\x00", "codec"),
        (b"[]", "indices"),
        (b"{}", "recipe"),
        (b'{"recipe": {"colour": 3}}', "colour"),
    ],
)
def test_a_file_that_is_no_recipe(content, problem, tmp_path):
    path = tmp_path / "recipe.json"
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=rf"recipe\.json must be .*{problem}.*Give the"
    ):
        read_recipe(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.json .*No such file"):
        read_recipe(tmp_path / "none.json")


def test_a_recorded_value_that_breaks_its_rule(tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text('{"recipe": {"epochs": 0}}')
    with pytest.raises(InputError, match=r"^epochs must be at least 1; got 0"):
        read_recipe(path)


def test_older_recipes_lack_what_is_new(tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text('{"recipe": {"teacher": "lagged", "t1": 5, "t2": 9}}')
    assert read_recipe(path) == Recipe(teacher="lagged", t1=5.0, t2=9.0)


def test_a_file_that_is_gone_is_no_matter_to_those_who_read():
    assert Recipe(network="/no/such/file.py:build").network.endswith(":build")


PARTS = """
from tf_pseudolabel.registry import Flag, register

raise SystemExit("executed")

@register("selection", "odd", help="odd rows", flags=[
    Flag("odd_from", 1, "odd: the first row", least=0, most=7),
    Flag("mean"),
])
class Odd: ...

@register("alignment", "flat", help="all alike")
class Flat: ...

@register("term", "norm", flags=[
    Flag("norm", 0.0, "weight of the norm", least=0, argument="weight"),
    Flag("norm_power", 2.0, "norm: its power", below=9),
])
class Norm: ...
"""


@pytest.fixture
def parts(tmp_path):
    """A file of parts that must not be executed."""
    path = tmp_path / "parts.py"
    path.write_text(PARTS, encoding="utf-8")
    return str(path)


def test_parts_of_a_users_own_are_fields(parts, tmp_path):
    recipe = recipe_class(parts)(
        parts=parts, selection="odd", odd_from=3, norm=0.5, alignment="flat"
    )
    assert recipe.norm_power == 2.0
    assert row_of(recipe, "selection").class_name == "Odd"
    assert [row.name for row in terms_of(recipe)] == ["norm"]
    assert read_recipe(_write(tmp_path / "recipe.json", recipe)) == recipe


def test_rules_of_a_users_own(parts):
    mine = recipe_class(parts)
    with pytest.raises(InputError, match=r"one of all, .*, odd; got 'even'"):
        mine(selection="even")
    with pytest.raises(InputError, match="odd_from must be at most 7; got 8"):
        mine(odd_from=8)
    with pytest.raises(InputError, match=r"of none, .*, flat; got"):
        mine(alignment="steep")
    assert "--odd_from is for --selection=odd" in without_effect(
        mine(), "odd_from"
    )
    assert without_effect(mine(), "norm_power") == (
        "--norm_power is for --norm above 0; got --norm=0.0. Add --norm=1."
    )
    assert without_effect(mine(norm=0.1), "norm_power") is None
    assert without_effect(mine(selection="odd"), "mean") is None


def test_a_recipe_gains_and_loses_parts(parts):
    recipe = with_parts(Recipe(seed=3), parts)
    assert (recipe.seed, recipe.odd_from, recipe.parts) == (3, 1, parts)
    assert type(recipe) is recipe_class(parts)
    assert with_parts(recipe, None) == Recipe(seed=3)
    chosen = dataclasses.replace(recipe, selection="odd")
    with pytest.raises(InputError, match="got 'odd'"):
        with_parts(chosen, None)


def test_a_recipe_whose_parts_are_gone(tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text('{"recipe": {"parts": "/no/such.py"}}')
    with pytest.raises(InputError, match=r"^--parts: .*/no/such\.py: No such"):
        read_recipe(path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"recipe":' * 100_000 + "1" + "}" * 100_000, "too deep"),
        ("[" * 100_000 + "]" * 100_000, "too deep"),
        ('{"recipe": {"epochs": ' + "9" * 5000 + "}}", "digits"),
        ('{"recipe": [1, 2]}', "mapping"),
        ('{"recipe": {"epochs": [1]}}', "epochs must be int"),
    ],
    ids=["objects", "lists", "digits", "a list", "an epoch"],
)
def test_recipes_that_python_cannot_hold(content, problem, tmp_path):
    (tmp_path / "recipe.json").write_text(content)
    with pytest.raises(InputError, match=problem):
        read_recipe(tmp_path / "recipe.json")
