import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.recipe import Recipe


def test_a_way_to_resize_needs_a_size():
    with pytest.raises(InputError, match="resize=pad and no image_size"):
        Recipe(resize="pad")
    assert Recipe(resize="pad", image_size=9).resize == "pad"


def test_a_split_of_all_labels_is_refused():
    with pytest.raises(InputError, match="split=stratified and no num_labeled"):
        Recipe(split="stratified")
    assert Recipe(split="stratified", num_labeled=9).split == "stratified"


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
