import dataclasses

import pytest

from tf_pseudolabel import losses, presets
from tf_pseudolabel.lab import recipes
from tf_pseudolabel.lab.runs import methods
from tf_pseudolabel.labels import selections, targets
from tf_pseudolabel.lab.recipes.recipe import Recipe


def _configs(model):
    """The arguments of a model as plain values."""
    plain = {
        "teacher": "inference",
        "target": "hard",
        "selection": selections.All(),
        "unlabeled_loss": None,
        "batch_norm": "separate",
        "mixup": 0.0,
        "penalties": [],
        **model,
    }
    if isinstance(plain["target"], str):
        plain["target"] = targets.TARGETS[plain["target"]]()
    for name in ("target", "selection"):
        part = plain[name]
        plain[name] = type(part).__name__, part.get_config()
    plain["penalties"] = [
        (type(part).__name__, part.get_config()) for part in plain["penalties"]
    ]
    return plain


def _with_preset(recipe, name):
    return dataclasses.replace(recipe, **methods.preset_values(name, recipe))


@pytest.mark.parametrize("name", presets.PRESETS)
def test_a_preset_goes_through_a_recipe_unchanged(name):
    recipe = _with_preset(Recipe(epochs=100), name)
    preset = presets.PRESETS[name](epochs=100)
    assert _configs(methods.arguments(recipe)) == _configs(preset.model)
    alpha = methods.alpha(recipe)
    assert type(alpha) is type(preset.schedule)
    assert alpha.get_config() == preset.schedule.get_config()


def test_recipes_know_the_presets_by_name():
    assert tuple(presets.PRESETS) == recipes.PRESETS


def test_a_preset_replaces_all_that_another_one_says():
    once = _with_preset(Recipe(), "usb_pl")
    twice = _with_preset(_with_preset(Recipe(), "arazo2020"), "usb_pl")
    batches = {"labeled_batch": 16, "unlabeled_batch": 84}
    rate = Recipe().learning_rate * 0.16
    assert twice == dataclasses.replace(once, **batches, learning_rate=rate)


def test_arazo_keeps_the_size_of_a_step():
    """Its loss here is 100 / 16 times that of the paper."""
    recipe = _with_preset(Recipe(learning_rate=0.1), "arazo2020")
    assert (recipe.labeled_batch, recipe.unlabeled_batch) == (16, 84)
    assert recipe.learning_rate == pytest.approx(0.016)


@pytest.mark.parametrize(
    "values, name, expected",
    [
        (
            {"target": "sharpened", "temperature": 0.3},
            "target",
            ("Sharpened", {"temperature": 0.3}),
        ),
        (
            {"selection": "threshold", "threshold": 0.7, "mean": "accepted"},
            "selection",
            ("Threshold", {"threshold": 0.7, "mean": "accepted"}),
        ),
        ({"class_prior": 0.5}, "penalties", [("ClassPrior", {"weight": 0.5})]),
        ({"batch_norm": "joint"}, "batch_norm", "joint"),
        ({"mixup": 2.0}, "mixup", 2.0),
        ({"teacher": "lagged"}, "teacher", "lagged"),
    ],
)
def test_every_choice_reaches_the_model(values, name, expected):
    assert _configs(methods.arguments(Recipe(**values)))[name] == expected


def test_the_share_rises_to_all():
    recipe = Recipe(selection="top_share", top_share=0.2, t1=10, t2=20)
    share = methods.share(recipe)
    assert [share(epoch) for epoch in (0, 10, 15, 20, 99)] == pytest.approx(
        [0.2, 0.2, 0.6, 1.0, 1.0]
    )


@pytest.mark.parametrize(
    "values, wanted",
    [({}, False), ({"target": "soft"}, True), ({"mixup": 1.0}, True)],
)
def test_which_methods_want_distributions(values, wanted):
    assert methods.wants_distributions(Recipe(**values)) is wanted


def test_penalties_are_the_losses():
    recipe = Recipe(class_prior=0.1, minimum_entropy=0.2)
    kinds = [type(part) for part in methods.arguments(recipe)["penalties"]]
    assert kinds == [losses.ClassPrior, losses.MinimumEntropy]


@pytest.mark.parametrize(
    "name, epochs", [("usb_pl", 0), ("arazo2020", 10), ("lee2013", 100)]
)
def test_epochs_on_the_labels_end_where_alpha_rises(name, epochs):
    recipe = recipes.RECIPES["mnist_conv_joint"]
    assert recipe.labeled_epochs == 100
    assert _with_preset(recipe, name).labeled_epochs == epochs


def test_entropy_takes_the_activation_of_the_output():
    for output in ("softmax", "sigmoid"):
        recipe = Recipe(unlabeled_loss="entropy", output=output)
        loss = methods.arguments(recipe)["unlabeled_loss"]
        assert isinstance(loss, losses.ConditionalEntropy)
        assert loss.activation == output


def test_labels_of_self_training_last_a_round():
    recipe = Recipe(teacher="lagged", restart_epochs=7)
    assert methods.arguments(recipe)["teacher"].every == 7
    once = dataclasses.replace(recipe, restart_epochs=None)
    assert methods.arguments(once)["teacher"] == "lagged"


def test_a_preset_is_no_self_training_and_no_entropy():
    recipe = Recipe(
        teacher="lagged", restart_epochs=7, unlabeled_loss="entropy"
    )
    once = _with_preset(Recipe(), "fixmatch_pl")
    assert _with_preset(recipe, "fixmatch_pl") == once
