import dataclasses

from tf_pseudolabel.lab.recipes.mnist import (
    MNIST_CONV,
    MNIST_CONV_FAST,
    MNIST_CONV_FAST_100,
    MNIST_CONV_JOINT,
)
from tf_pseudolabel.lab.runs.methods import preset_values

# As published with the 2020 reproduction; facts, not choices.
PUBLISHED = {
    "dataset": "mnist",
    "num_labeled": 1000,
    "num_unlabeled": 19_000,
    "num_test": 5000,
    "network": "conv",
    "output": "softmax",
    "teacher": "inference",
    "stream": "alternating",
    "unlabeled_batches": 50,
    "t1": 100,
    "t2": 700,
    "alpha_f": 3.0,
    "labeled_epochs": 100,
    "epochs": 100 + 70,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "momentum": 0.0,
    "baseline": True,
}


def test_published_settings():
    recipe = dataclasses.asdict(MNIST_CONV)
    assert {key: recipe[key] for key in PUBLISHED} == PUBLISHED


def test_joint_differs_by_the_stream_and_the_end_of_the_ramp():
    alternating = dataclasses.asdict(MNIST_CONV)
    joint = dataclasses.asdict(MNIST_CONV_JOINT)
    differing = {key for key in joint if joint[key] != alternating[key]}
    assert differing == {"name", "description", "stream", "t2"}
    assert joint["stream"] == "merged"
    assert joint["t2"] == joint["epochs"] == 170


def test_the_fast_one_is_fixmatch_but_for_what_was_chosen():
    recipe = dataclasses.asdict(MNIST_CONV_FAST)
    asked = {"views": "images", "labeled_batch": 64}
    values = preset_values("fixmatch", MNIST_CONV_FAST, asked)
    differing = {key for key in values if values[key] != recipe[key]}
    assert differing <= {
        *("views", "optimizer", "learning_rate", "first_learning_rate"),
        *("average", "ramp", "cutout", "unlabeled_batch"),
    }
    updates = MNIST_CONV_FAST.epochs * MNIST_CONV_FAST.steps_per_epoch
    assert updates == 600


def test_that_of_100_labels_is_remixmatch_with_a_short_average():
    recipe = dataclasses.asdict(MNIST_CONV_FAST_100)
    values = preset_values("remixmatch", MNIST_CONV_FAST_100)
    differing = {key for key in values if values[key] != recipe[key]}
    assert differing <= {
        *("views", "optimizer", "learning_rate", "first_learning_rate"),
        *("average", "cutout", "labeled_batch", "unlabeled_batch"),
    }
    updates = MNIST_CONV_FAST_100.epochs * MNIST_CONV_FAST_100.steps_per_epoch
    assert updates == 600
