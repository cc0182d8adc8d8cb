import dataclasses

import bare_recipe
import keras
import numpy as np
import pytest
import subjects
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.lab import networks, recipes

# Masks of dropout would be drawn in another order.
RECIPE = dataclasses.replace(recipes.RECIPES["mnist_conv"], dropout=0.0)


def _after_fit(x, y, x_u, alpha):
    """The weights after an update on labels and one on pseudo-labels."""
    keras.utils.set_random_seed(RECIPE.seed)
    classifier = networks.build(
        "conv",
        subjects.SPEC,
        10,
        hidden_units=RECIPE.hidden_units,
        dropout=0.0,
    )
    model = tpl.PseudoLabelModel(classifier)
    model.compile(
        keras.optimizers.SGD(RECIPE.learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    model.alpha.assign(alpha)
    streams = (
        tf.data.Dataset.from_tensors(batch) for batch in ((x, y), (x_u,))
    )
    model.fit(tpl.alternate_streams(*streams), verbose=0)
    return classifier.get_weights()


@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_its_updates_are_those_of_fit(alpha):
    x, y, x_u = (values[:24] for values in subjects.examples())
    network = bare_recipe.Network(RECIPE)

    network.on_labels(x, y)
    network.on_own_labels(x_u, alpha)

    mine = network.network.get_weights()
    theirs = _after_fit(x, y, x_u, alpha)
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
