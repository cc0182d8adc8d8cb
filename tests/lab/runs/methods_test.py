import dataclasses

import pytest

import tf_pseudolabel as tpl
from tf_pseudolabel import losses, presets, registry
from tf_pseudolabel.lab import recipes
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.recipe import Recipe, recipe_class
from tf_pseudolabel.lab.runs import methods


def _configs(model):
    """The arguments of a model as plain values."""
    plain = {
        "teacher": "inference",
        "target": "hard",
        "selection": "all",
        "unlabeled_loss": None,
        "batch_norm": "auto",
        "mixup": 0.0,
        "terms": [],
        **model,
    }
    for kind in ("teacher", "target", "selection", "unlabeled_loss"):
        if isinstance(plain[kind], str):
            plain[kind] = registry.part(kind, plain[kind])
        if plain[kind] is not None:
            plain[kind] = _config(plain[kind])
    plain["terms"] = [_config(part) for part in plain["terms"]]
    for kind in ("average", "alignment", "mixup"):
        if hasattr(plain.get(kind), "get_config"):
            plain[kind] = _config(plain[kind])
    if plain.get("average") is None:
        plain.pop("average", None)
    # The kind of data says which, as the test below has it.
    plain.pop("views", None)
    return plain


def _config(part):
    """The class and the constructor's arguments, without Keras' own."""
    config = part.get_config()
    keras_own = ("name", "dtype", "trainable", "reduction")
    return type(part).__name__, {
        name: value for name, value in config.items() if name not in keras_own
    }


def _with_preset(recipe, name, **given):
    values = methods.preset_values(name, recipe, given)
    return dataclasses.replace(recipe, **{**values, **given})


@pytest.mark.parametrize("name", presets.PRESETS)
def test_a_preset_goes_through_a_recipe_unchanged(name):
    recipe = _with_preset(Recipe(epochs=100), name)
    preset = presets.PRESETS[name](epochs=100)
    assert recipe.restart_epochs == preset.restart_epochs
    assert _configs(methods.arguments(recipe)) == _configs(preset.model)
    alpha = methods.alpha(recipe)
    assert type(alpha) is type(preset.schedule)
    assert alpha.get_config() == preset.schedule.get_config()


@pytest.mark.parametrize("name", presets.PRESETS)
def test_a_preset_with_views_leaves_them_to_the_data(name):
    recipe = _with_preset(Recipe(epochs=100), name)
    views = presets.PRESETS[name](epochs=100).views

    assert recipe.views == ("none" if views is None else "auto")


def test_recipes_know_the_presets_by_name():
    assert tuple(presets.PRESETS) == recipes.PRESETS


def test_a_preset_replaces_all_that_another_one_says():
    once = _with_preset(Recipe(), "usb_pl")
    twice = _with_preset(_with_preset(Recipe(), "arazo2020"), "usb_pl")
    batches = {"labeled_batch": 16, "unlabeled_batch": 84}
    rate = Recipe().learning_rate * 0.16
    assert twice == dataclasses.replace(once, **batches, learning_rate=rate)


def test_arazo_keeps_the_size_of_a_step():
    """Its loss is 100 / 16 times that of the paper once alpha has risen."""
    recipe = _with_preset(Recipe(learning_rate=0.1), "arazo2020")
    assert (recipe.labeled_batch, recipe.unlabeled_batch) == (16, 84)
    assert recipe.learning_rate == pytest.approx(0.016)
    assert recipe.first_learning_rate == pytest.approx(0.1)


def test_a_preset_is_that_of_the_batches_trained_with():
    recipe = _with_preset(
        Recipe(learning_rate=0.1),
        "arazo2020",
        labeled_batch=50,
        unlabeled_batch=50,
    )
    assert (recipe.labeled_batch, recipe.unlabeled_batch) == (50, 50)
    assert recipe.alpha_f == pytest.approx(1.0)
    assert recipe.class_prior == pytest.approx(1.6)
    assert recipe.minimum_entropy == pytest.approx(0.8)
    assert recipe.learning_rate == pytest.approx(0.05)


def test_one_batch_given_leaves_the_other_as_the_preset_has_it():
    recipe = _with_preset(Recipe(), "arazo2020", unlabeled_batch=32)
    assert (recipe.labeled_batch, recipe.unlabeled_batch) == (16, 32)
    assert recipe.alpha_f == 2.0


def test_a_learning_rate_given_is_that_of_pseudo_labels():
    recipe = _with_preset(Recipe(), "arazo2020", learning_rate=0.016)
    assert recipe.learning_rate == 0.016
    assert recipe.first_learning_rate == pytest.approx(0.1)


def test_lee_trains_on_pseudo_labels_however_short():
    for epochs in (2, 20, 100):
        recipe = _with_preset(Recipe(), "lee2013", epochs=epochs)
        alpha = methods.alpha(recipe)
        assert max(map(alpha, range(epochs))) > 0
        assert alpha(epochs) == 3.0


@pytest.fixture
def preset_of(monkeypatch):
    """What a preset with such parts comes to in a recipe."""

    def call(schedule=None, recipe=None, **model):
        made = presets.Preset(model, schedule or tpl.LinearRamp(2, 4, 1.0))
        monkeypatch.setitem(presets.PRESETS, "mine", lambda epochs: made)
        return _with_preset(recipe or Recipe(), "mine")

    return call


@pytest.mark.parametrize(
    "model, expected",
    [
        (
            lambda: {"target": tpl.Sharpened(0.3)},
            {"target": "sharpened", "temperature": 0.3},
        ),
        (
            lambda: {"teacher": tpl.Lagged(5)},
            {"teacher": "lagged", "lag_epochs": 5},
        ),
        (lambda: {"teacher": "lagged"}, {"teacher": "lagged", "lag_epochs": 1}),
        (
            lambda: {"unlabeled_loss": tpl.ConditionalEntropy()},
            {"unlabeled_loss": "entropy", "output": "softmax"},
        ),
        (
            lambda: {"selection": tpl.TopShare(mean="accepted")},
            {"selection": "top_share", "mean": "accepted"},
        ),
        (
            lambda: {"terms": tpl.MinimumEntropy(0.3)},
            {"minimum_entropy": 0.3, "class_prior": 0.0},
        ),
        (lambda: {"terms": [tpl.ClassPrior(0.3)]}, {"class_prior": 0.3}),
    ],
)
def test_any_part_with_a_row_may_stand_in_a_preset(model, expected, preset_of):
    model = model()
    # Another choice of each kind, which the preset replaces.
    before = Recipe(lag_epochs=3, minimum_entropy=0.1, target="soft")
    recipe = preset_of(recipe=before, **model)
    assert {n: getattr(recipe, n) for n in expected} == expected
    model["terms"] = methods._listed(model.get("terms", []))
    assert _configs(methods.arguments(recipe)) == _configs(model)


def test_a_constant_schedule_in_a_preset(preset_of):
    recipe = preset_of(tpl.Constant(0.5), Recipe(labeled_epochs=3))
    assert (recipe.ramp, recipe.alpha_f) == ("constant", 0.5)
    assert recipe.labeled_epochs == 0
    assert [methods.alpha(recipe)(epoch) for epoch in (0, 7)] == [0.5, 0.5]


class _Another(tpl.Threshold):
    """A part without a row of its own."""


@pytest.mark.parametrize(
    "model",
    [
        lambda: {"selection": _Another()},
        lambda: {"terms": [object()]},
        lambda: {"terms": [tpl.ClassPrior(0.1), tpl.ClassPrior(0.2)]},
        lambda: {"unlabeled_loss": "mse"},
        lambda: {"teacher": "oracle"},
        lambda: {"teacher": tpl.Threshold()},
        lambda: {"alignment": object()},
        lambda: {"what_is_new": 3},
    ],
)
def test_a_preset_is_not_run_without_a_part(model, preset_of):
    ((kind, part),) = model().items()
    with pytest.raises(InputError, match=r"^--preset=mine has .*no flag can"):
        preset_of(**{kind: part})


def test_a_schedule_without_a_row(preset_of):
    with pytest.raises(InputError, match="has schedule=<function"):
        preset_of(lambda t: 1.0)


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
        ({"class_prior": 0.5}, "terms", [("ClassPrior", {"weight": 0.5})]),
        ({"batch_norm": "joint"}, "batch_norm", "joint"),
        ({"mixup": 2.0}, "mixup", 2.0),
        ({"teacher": "lagged"}, "teacher", ("Lagged", {"every": 1})),
        (
            {"teacher": "lagged", "lag_epochs": 5},
            "teacher",
            ("Lagged", {"every": 5}),
        ),
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


PARTS = """
import tf_pseudolabel as tpl
from tf_pseudolabel.part import Configured

@tpl.register("teacher", "oracle", flags=[tpl.Flag("oracle_age", 3, "age")])
class Oracle(Configured):
    def __init__(self, oracle_age):
        self.age = oracle_age

@tpl.register("term", "norm", flags=[
    tpl.Flag("norm", 0.0, "weight of the norm", argument="weight"),
    tpl.Flag("norm_power", 2.0, "norm: its power", argument="power"),
])
class Norm(Configured):
    def __init__(self, weight, power):
        self.weight, self.power = weight, power

@tpl.register("schedule", "sudden", flags=[tpl.Flag("alpha_f")])
class Sudden(tpl.Schedule):
    def __init__(self, alpha_f):
        self.alpha_f = alpha_f

    def __call__(self, t):
        return self.alpha_f * (t > 7)
"""


def test_parts_of_a_users_own_are_made(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(PARTS, encoding="utf-8")
    recipe = recipe_class(str(path))(
        parts=str(path),
        teacher="oracle",
        oracle_age=5,
        norm=0.5,
        norm_power=1.0,
        class_prior=0.25,
        ramp="sudden",
        alpha_f=2.0,
    )
    made = methods.arguments(recipe)
    assert made["teacher"].age == 5
    prior, norm = made["terms"]
    assert (type(prior).__name__, prior.weight) == ("ClassPrior", 0.25)
    assert (norm.weight, norm.power) == (0.5, 1.0)
    assert [methods.alpha(recipe)(t) for t in (7, 8)] == [0.0, 2.0]
    # A preset leaves them out, by name.
    found = _with_preset(recipe, "usb_pl")
    assert (found.teacher, found.norm, found.ramp) == ("training", 0, "linear")


@pytest.mark.parametrize(
    "values, wanted",
    [({}, False), ({"target": "soft"}, True), ({"mixup": 1.0}, True)],
)
def test_which_methods_want_distributions(values, wanted):
    assert methods.wants_distributions(Recipe(**values)) is wanted


def test_terms_are_the_losses():
    recipe = Recipe(class_prior=0.1, minimum_entropy=0.2)
    kinds = [type(part) for part in methods.arguments(recipe)["terms"]]
    assert kinds == [losses.ClassPrior, losses.MinimumEntropy]


@pytest.mark.parametrize(
    "name, epochs", [("usb_pl", 0), ("arazo2020", 10), ("lee2013", 28)]
)
def test_epochs_on_the_labels_end_where_alpha_rises(name, epochs):
    recipe = recipes.RECIPES["mnist_conv_joint"]
    assert recipe.labeled_epochs == 100
    assert _with_preset(recipe, name).labeled_epochs == epochs


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_entropy_of_any_output(output):
    recipe = Recipe(unlabeled_loss="entropy", output=output)
    loss = methods.arguments(recipe)["unlabeled_loss"]
    assert isinstance(loss, losses.ConditionalEntropy)


def test_labels_of_self_training_last_a_round():
    recipe = Recipe(teacher="lagged", restart_epochs=7)
    assert methods.arguments(recipe)["teacher"].every == 7
    once = dataclasses.replace(recipe, restart_epochs=None)
    assert methods.arguments(once)["teacher"].every == 1


def test_a_preset_is_no_self_training_and_no_entropy():
    recipe = Recipe(
        teacher="lagged", restart_epochs=7, unlabeled_loss="entropy"
    )
    once = _with_preset(Recipe(), "usb_pl")
    assert _with_preset(recipe, "usb_pl") == once


@pytest.mark.parametrize(
    ("given", "average"),
    [({}, 0.999), ({"decay": 0.9}, 0.9), ({"decay": 0.9, "average": 0.5}, 0.5)],
)
def test_a_teacher_that_is_evaluated_stays_so(given, average):
    recipe = recipes.RECIPES["digits_conv"]
    values = methods.preset_values("mean_teacher", recipe, given)
    recipe = dataclasses.replace(recipe, **values | given)
    assert recipe.average == average
    said = methods.arguments(recipe)["average"]
    assert (said == "teacher") == (average == recipe.decay)
