"""Photos, texts and a table with few labels, for presets of any kind.

    bin/train --recipe=banking77 --preset=softmatch

Their files lie under data/ where the command is given: CIFAR-10 as folders of
JPEG files, Banking77 (PolyAI) as CSV, the training part of UCI Adult as CSV.
What to expect: banking77.md, adult.md and cifar10.md in docs/results.
"""

from tf_pseudolabel.lab.recipes.recipe import Recipe

_COSINE = {
    "optimizer": "adamw",
    "learning_rate": 0.002,
    "learning_rate_schedule": "cosine",
}

CIFAR10_JPEG = Recipe(
    name="cifar10_jpeg",
    description="CIFAR-10 as folders of JPEG files, 4000 labels, a small "
    "network with batch normalization",
    dataset="folders",
    labeled_dir="data/cifar10_jpeg/train",
    test_dir="data/cifar10_jpeg/test",
    num_labeled=4000,
    num_validation=1000,
    network="norm_conv",
    flip=True,
    t1=0,
    t2=20,
    alpha_f=1.0,
    epochs=20,
    steps_per_epoch=200,
    labeled_batch=64,
    unlabeled_batch=192,
    **_COSINE,
)

BANKING77 = Recipe(
    name="banking77",
    description="customers' questions of 77 kinds, 10 labels for each",
    dataset="text",
    data_file="data/banking77/train.csv",
    test_file="data/banking77/test.csv",
    label_column="category",
    text_column="text",
    num_labeled=770,
    num_validation=770,
    network="text_conv",
    t1=0,
    t2=20,
    alpha_f=1.0,
    epochs=20,
    steps_per_epoch=100,
    labeled_batch=64,
    unlabeled_batch=192,
    **_COSINE,
)

ADULT = Recipe(
    name="adult",
    description="census rows of two incomes, 200 labels as they come",
    dataset="table",
    data_file="data/adult/adult.csv",
    label_column="income-per-year",
    num_labeled=200,
    split="stratified",
    num_validation=1000,
    num_test=10_000,
    network="table_mlp",
    t1=0,
    t2=10,
    alpha_f=1.0,
    epochs=10,
    steps_per_epoch=100,
    labeled_batch=50,
    unlabeled_batch=200,
    **_COSINE,
)
