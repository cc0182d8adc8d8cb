"""Named experiments: plain frozen dataclasses, by name."""

from tf_pseudolabel.recipes.digits import DIGITS_CONV
from tf_pseudolabel.recipes.mnist import MNIST_CONV, MNIST_CONV_JOINT
from tf_pseudolabel.recipes.recipe import Recipe

__all__ = ["DEFAULT", "RECIPES", "Recipe"]

RECIPES = {
    recipe.name: recipe
    for recipe in (DIGITS_CONV, MNIST_CONV, MNIST_CONV_JOINT)
}
DEFAULT = DIGITS_CONV.name
