import dataclasses
import json

import pytest

from tf_pseudolabel.lab import recipes
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.recipe import (
    Recipe,
    network_options,
    read_recipe,
    recipe_class,
    row_of,
    size_of,
    terms_of,
    values_of,
    with_parts,
    without_effect,
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


@pytest.mark.parametrize(
    ("given", "kept", "size"),
    [
        (None, None, None),
        (12, 12, (12, 12)),  # As recipes of earlier versions have it.
        ("12", 12, (12, 12)),
        ("12,12", 12, (12, 12)),
        ("96,128", "96,128", (96, 128)),
    ],
)
def test_an_image_size_is_one_number_or_two(given, kept, size):
    recipe = Recipe(image_size=given)
    assert recipe.image_size == kept
    assert size_of(recipe) == size


@pytest.mark.parametrize("given", ["", "a", "1,2,3", "3x4", "1.5", "4,"])
def test_what_is_no_image_size_is_refused(given):
    with pytest.raises(InputError, match=r"height and width as 96,128; got '"):
        Recipe(image_size=given)
    with pytest.raises(InputError, match="at least 1; got 5,0"):
        Recipe(image_size="5,0")


def test_a_way_to_resize_needs_a_size():
    with pytest.raises(InputError, match="resize=pad and no image_size"):
        Recipe(resize="pad")
    assert Recipe(resize="pad", image_size=9).resize == "pad"


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
        ("network", "resnet", "one of conv, mlp, .*FUNCTION"),
        ("freeze", "some", "all, none, or a number of layers"),
        ("hidden_units", 0, "at least 1"),
        ("dropout", -0.1, "at least 0"),
        ("dropout", 1.0, "below 1"),
        ("output", "tanh", "one of softmax, sigmoid"),
        ("teacher", "oracle", "one of inference, training, lagged, averaged"),
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
        (
            {"network": "ResNet50", "freeze": "9"},
            "must have been learned; got freeze=9 and weights=none",
        ),
        (
            {"backbone_learning_rate": 0.1, "learning_rate": 0.0},
            "follows learning_rate, .*; got 0.1 and 0",
        ),
        (
            {"restart_epochs": 5, "teacher": "lagged", "lag_epochs": 2},
            "got lag_epochs=2 and restart_epochs=5",
        ),
        (
            {"first_learning_rate": 0.1, "learning_rate_decay": 0.9},
            "goes with a constant learning rate; got optimizer=sgd",
        ),
        (
            {"ramp": "constant", "labeled_epochs": 2},
            "got labeled_epochs=2 and ramp=constant",
        ),
        ({"target": "multi_hot"}, "multi_hot .* got output=softmax"),
        (
            {"target": "multi_hot", "output": "sigmoid", "class_prior": 0.5},
            "class_prior needs rows of one class; got class_prior=0.5",
        ),
        (
            {"selection": "two_sided", "output": "sigmoid"},
            "selection=two_sided .* got target=hard",
        ),
    ],
)
def test_what_does_not_go_with_epochs_or_networks(values, message):
    with pytest.raises(InputError, match=message):
        Recipe(**{"t1": 5, "t2": 9, "network": "mlp", **values})


def test_older_recipes_lack_what_is_new(tmp_path):
    path = tmp_path / "recipe.json"
    path.write_text('{"recipe": {"teacher": "lagged", "t1": 5, "t2": 9}}')
    assert read_recipe(path) == Recipe(teacher="lagged", t1=5.0, t2=9.0)


def test_the_parts_that_a_recipe_chooses():
    recipe = Recipe(selection="top_share", minimum_entropy=0.4)
    assert row_of(recipe, "selection").class_name == "TopShare"
    assert row_of(recipe, "schedule").name == "linear"
    # The loss of the labels is no part, and there is no alignment yet.
    assert row_of(recipe, "unlabeled_loss") is None
    assert row_of(recipe, "alignment") is None
    assert [row.name for row in terms_of(recipe)] == ["minimum_entropy"]


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (
            "threshold",
            {},
            "--threshold is for --selection=threshold, curriculum or inliers; "
            "got --selection=all. Add --selection=threshold.",
        ),
        (
            "mean",
            {},
            "loss_threshold or inliers; got --selection=all. Add "
            "--selection=threshold.",
        ),
        ("mean", {"selection": "top_share"}, None),
        ("temperature", {"target": "soft"}, "--temperature is for --target="),
        ("temperature", {"target": "sharpened"}, None),
        ("lag_epochs", {}, "--lag_epochs is for --teacher=lagged"),
        (
            "t1",
            {"ramp": "constant"},
            "--t1 is for --selection=top_share or --ramp=linear, sigmoid or",
        ),
        ("t1", {"ramp": "constant", "selection": "top_share"}, None),
        ("t1", {}, None),
        ("alpha_f", {"ramp": "constant"}, None),
        (
            "momentum",
            {"optimizer": "adam"},
            "--momentum is for --optimizer=sgd",
        ),
        ("momentum", {}, None),
        ("final_momentum", {}, "--final_momentum is for --optimizer=lee2013"),
        ("momentum_epochs", {}, "--momentum_epochs is for --optimizer=lee"),
        (
            "unlabeled_batches",
            {},
            "is for --stream=alternating; got --stream=m",
        ),
        (
            "dae_learning_rate",
            {},
            "--dae_learning_rate is for --dae_epochs above 0; got "
            "--dae_epochs=0. Add --dae_epochs=1.",
        ),
        ("dae_learning_rate", {"dae_epochs": 3, "network": "mlp"}, None),
        ("labeled_dir", {}, "--labeled_dir is for --dataset=folders"),
        ("unlabeled_dir", {}, "--unlabeled_dir is for --dataset=folders"),
        ("test_dir", {"dataset": "mnist"}, "--test_dir is for --dataset=fold"),
        ("first_learning_rate", {"t1": 0.0}, "is for --t1 above 0; got --t1=0"),
        ("class_prior", {}, None),
    ],
)
def test_fields_without_effect(name, values, message):
    found = without_effect(Recipe(**values), name)
    if message is None:
        assert found is None
    else:
        assert message in found


@pytest.mark.parametrize(
    ("name", "network", "wanted"),
    [
        ("hidden_units", "MobileNetV3Small", "conv, mlp, text_conv or table_"),
        ("input_scale", "text_conv", "conv, mlp or strided_conv"),
        ("hidden_units", "table_mlp", None),
        ("dropout", "MobileNetV3Small", None),
        ("weights", "MobileNetV3Small", None),
        ("initial_std", "package.module:build", None),
    ],
)
def test_options_that_a_network_does_not_take(name, network, wanted):
    found = without_effect(Recipe(network=network), name)
    if wanted is None:
        assert found is None
    else:
        assert f"--{name} is for --network={wanted}" in found
        assert f"got --network={network}." in found


def test_options_of_ones_own_function(tmp_path):
    file = tmp_path / "my.py"
    file.write_text("def build(spec, num_classes, dropout): ...")
    recipe = Recipe(network=f"{file}:build")
    assert without_effect(recipe, "dropout") is None
    assert "a function that names it" in without_effect(recipe, "hidden_units")


def test_what_a_recipe_tells_its_network():
    recipe = Recipe(dropout=0.0, input_scale=0.5)
    assert network_options(recipe) == {
        "dropout": 0.0,
        "input_scale": 0.5,
        "input_dropout": 0.0,
    }


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


@pytest.mark.parametrize(
    ("flag", "problem"),
    [
        ("Flag('epochs', 3, 'mine')", "own and a help; got --epochs in"),
        ("Flag('ramp', 'a', 'mine')", "own and a help; got --ramp in"),
        ("Flag('part_rows', 3, 'mine')", "own and a help; got --part_rows in"),
        ("Flag('whatever')", "own and a help; got --whatever in"),
    ],
)
def test_flags_that_are_called_like_others(flag, problem, tmp_path):
    path = tmp_path / "parts.py"
    path.write_text(
        f"@register('target', 'mine', flags=[{flag}])\nclass Mine: ..."
    )
    with pytest.raises(InputError, match=f"^--parts: .*{problem}"):
        recipe_class(str(path))


def test_the_default_is_no_part_of_a_users_own(tmp_path):
    """Else naming its file would change what runs without a choice do."""
    path = tmp_path / "parts.py"
    path.write_text("@register('unlabeled_loss', 'pseudo_label')\nclass A: ...")
    with pytest.raises(InputError, match=r"that choose nothing; .*Rename it"):
        recipe_class(str(path))


def test_labels_of_self_training_last_a_round():
    recipe = Recipe(teacher="lagged", restart_epochs=7)
    assert values_of(recipe)["lag_epochs"] == 7


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
