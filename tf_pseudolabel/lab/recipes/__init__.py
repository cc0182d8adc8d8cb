"""Named experiments: plain frozen dataclasses, by name."""

from tf_pseudolabel import registry
from tf_pseudolabel.lab.recipes import lee2013
from tf_pseudolabel.lab.recipes.digits import DIGITS_CONV
from tf_pseudolabel.lab.recipes.few_labels import (
    ADULT,
    BANKING77,
    CIFAR10_JPEG,
)
from tf_pseudolabel.lab.recipes.mnist import (
    MNIST_CONV,
    MNIST_CONV_FAST,
    MNIST_CONV_FAST_100,
    MNIST_CONV_JOINT,
    MNIST_STRIDED,
)
from tf_pseudolabel.lab.recipes.recipe import Recipe

__all__ = ["DEFAULT", "PRESETS", "RECIPES", "Recipe"]

RECIPES = {
    recipe.name: recipe
    for recipe in (
        DIGITS_CONV,
        MNIST_CONV,
        MNIST_CONV_JOINT,
        MNIST_CONV_FAST,
        MNIST_CONV_FAST_100,
        MNIST_STRIDED,
        CIFAR10_JPEG,
        BANKING77,
        ADULT,
        *lee2013.PUBLISHED,
        *lee2013.QUICK,
    )
}
# By name: what they are needs TensorFlow, which --help does without.
PRESETS = registry.presets()
DEFAULT = DIGITS_CONV.name
