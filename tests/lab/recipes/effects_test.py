import pytest

from tf_pseudolabel.lab.recipes.effects import (
    long_averages,
    network_options,
    without_effect,
)
from tf_pseudolabel.lab.recipes.recipe import Recipe


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
        ("hidden_units", "MobileNetV3Small", "conv, mlp, strided_conv, norm_c"),
        ("input_scale", "text_conv", "conv, mlp, strided_conv or norm_conv"),
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


def test_averages_that_are_too_long_for_a_run():
    soft = Recipe(selection="gaussian", average=0.99)
    assert long_averages(soft, 2000) == [
        "--average_decay=0.999 looks back on 1,000 updates, of 2,000 in all: "
        "what is believed at first stays in it. --average_decay=0.99 follows "
        "sooner."
    ]
    assert long_averages(soft, 4000) == long_averages(soft, 100_000) == []
    both = long_averages(soft, 399)
    assert [line.split("=")[0] for line in both] == [
        "--average_decay",
        "--average",
    ]
    assert both[1].endswith(" --average=0.95 follows sooner.")
    assert "--average_decay=0.5 follows" in long_averages(soft, 1)[0]
    assert long_averages(Recipe(), 1) == []
    teacher = Recipe(teacher="averaged", decay=0.999)
    assert len(long_averages(teacher, 100)) == 1
