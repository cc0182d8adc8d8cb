import dataclasses
import json

import pytest

from tf_pseudolabel.lab import recipes
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.recipe import Recipe, read_recipe


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


def test_a_split_of_all_labels_is_refused():
    with pytest.raises(InputError, match="split=stratified and no num_labeled"):
        Recipe(split="stratified")
    assert Recipe(split="stratified", num_labeled=9).split == "stratified"


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


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("image_size", 0, "at least 1"),
        ("num_labeled", 1, "at least 2"),
        ("split", "random", "one of balanced, stratified"),
        ("num_unlabeled", 0, "at least 1"),
        ("num_validation", 1, "at least 2"),
        ("num_test", 0, "at least 1"),
        ("network", "resnet", "one of conv, mlp"),
        ("hidden_units", 0, "at least 1"),
        ("dropout", -0.1, "at least 0"),
        ("dropout", 1.0, "below 1"),
        ("output", "tanh", "one of softmax, sigmoid"),
        ("teacher", "oracle", "one of inference, training, lagged"),
        ("stream", "zigzag", "one of merged, alternating"),
        ("unlabeled_batches", 0, "at least 1"),
        ("t1", -1.0, "at least 0"),
        ("t2", -2.0, "at least 0"),
        ("alpha_f", -3.0, "at least 0"),
        ("labeled_epochs", -1, "at least 0"),
        ("epochs", 0, "at least 1"),
        ("labeled_batch", 0, "at least 1"),
        ("unlabeled_batch", 0, "at least 1"),
        ("optimizer", "lion", "one of sgd, adam, adamw, rmsprop, lee2013"),
        ("learning_rate", -0.5, "at least 0"),
        ("momentum", -0.5, "at least 0"),
        ("momentum", 1.0, "below 1"),
        ("seed", -7, "at least 0"),
        ("strategy", "gpu", "one of default, mirrored, multi_worker, tpu"),
        ("mixed_precision", "int8", "one of float16, bfloat16"),
    ],
)
def test_each_rule_names_the_field_and_the_value(field, value, rule):
    with pytest.raises(InputError, match=rf"^{field} .*{rule}; got '?{value}"):
        Recipe(**{field: value})


@pytest.mark.parametrize("field", ["alpha_f", "learning_rate", "t2"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_are_finite(field, value):
    with pytest.raises(InputError, match=rf"^{field} must be finite; got"):
        Recipe(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dropout", 0.0),
        ("alpha_f", 0.0),
        ("t1", 0.0),
        ("learning_rate", 0.0),
        ("momentum", 0.0),
        ("seed", 0),
        ("epochs", 1),
        ("num_labeled", 2),
    ],
)
def test_borders_are_allowed(field, value):
    assert getattr(Recipe(**{field: value}), field) == value


def test_the_ramp_does_not_end_before_it_begins():
    with pytest.raises(InputError, match=r"t1=9.*t2=8"):
        Recipe(t1=9, t2=8)
    assert Recipe(t1=9, t2=9).t2 == 9


def test_labeled_epochs_are_among_the_epochs():
    with pytest.raises(InputError, match=r"labeled_epochs=4.*epochs=3"):
        Recipe(labeled_epochs=4, epochs=3)
    assert Recipe(labeled_epochs=3, epochs=3).labeled_epochs == 3


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


def test_alpha_must_not_rise_while_labels_are_alone():
    with pytest.raises(InputError, match=r"labeled_epochs=20 and t1=10"):
        Recipe(labeled_epochs=20, t1=10)
    assert Recipe(labeled_epochs=10, t1=10).t1 == 10


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("epochs", 1.5, "int"),
        ("seed", True, "int"),
        ("baseline", "no", "bool"),
        ("dataset", 3, "str"),
        ("t1", "1", "float or int"),
    ],
)
def test_types_of_a_recipe_from_a_file(field, value, kind):
    with pytest.raises(InputError, match=f"{field} must be {kind}; got"):
        Recipe(**{field: value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"steps_per_epoch": 5, "stream": "alternating"},
            "steps_per_epoch is for stream=merged",
        ),
        (
            {"optimizer": "lee2013", "labeled_epochs": 2},
            "count epochs of one length; got labeled_epochs=2",
        ),
        (
            {"learning_rate_decay": 0.9, "labeled_epochs": 2},
            "count epochs of one length; got labeled_epochs=2",
        ),
        ({"dae_epochs": 1, "network": "conv"}, "got network=conv"),
    ],
)
def test_what_does_not_go_with_epochs_or_networks(values, message):
    with pytest.raises(InputError, match=message):
        Recipe(**{"t1": 5, "t2": 9, "network": "mlp", **values})
