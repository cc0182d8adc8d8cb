import pytest

from tf_pseudolabel.lab.data import sources
from tf_pseudolabel.lab.recipes import RECIPES, few_labels

ALL = few_labels.CIFAR10_JPEG, few_labels.BANKING77, few_labels.ADULT


@pytest.mark.parametrize("recipe", ALL)
def test_they_are_called_by_their_names(recipe):
    assert RECIPES[recipe.name] is recipe


@pytest.mark.parametrize("recipe", ALL)
def test_what_their_source_needs_is_named(recipe):
    source = sources.of(recipe.dataset)

    assert all(getattr(recipe, name) for name in source.needed)
    assert recipe.learning_rate_schedule == "cosine"
    assert recipe.t2 == recipe.epochs


def test_photos_may_be_flipped_and_incomes_come_as_they_are():
    assert few_labels.CIFAR10_JPEG.flip
    assert few_labels.ADULT.split == "stratified"
