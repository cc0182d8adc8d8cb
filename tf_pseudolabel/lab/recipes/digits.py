"""scikit-learn's handwritten digits: the embedded default.

    bin/train

Some twenty seconds on two cores. alpha and its ramp were chosen on validation
data, over splits that no result is given for: docs/results/digits_choice.md.
What to expect: docs/results/digits.md.
"""

from tf_pseudolabel.lab.recipes.recipe import Recipe

DIGITS_CONV = Recipe(
    name="digits_conv",
    description="8x8 digits inside scikit-learn, 50 labels: no download",
    dataset="digits",
    num_labeled=50,
    num_validation=200,
    network="conv",
    hidden_units=150,
    dropout=0.5,
    t1=5,
    t2=30,
    alpha_f=1.0,
    labeled_epochs=0,
    epochs=50,
    # Shared equally by 2, 3 or 4 replicas.
    labeled_batch=24,
    unlabeled_batch=128,
    optimizer="sgd",
    learning_rate=0.05,
    momentum=0.9,
)
