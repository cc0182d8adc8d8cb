import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.image_size import size_of
from tf_pseudolabel.lab.recipes.recipe import Recipe


@pytest.mark.parametrize(
    ("given", "kept", "size"),
    [
        (None, None, None),
        (12, 12, (12, 12)),  # As recipes of earlier versions have it.
        ("12", 12, (12, 12)),
        ("12,12", 12, (12, 12)),
        ("96,128", "96,128", (96, 128)),
    ],
)
def test_an_image_size_is_one_number_or_two(given, kept, size):
    recipe = Recipe(image_size=given)
    assert recipe.image_size == kept
    assert size_of(recipe) == size


@pytest.mark.parametrize("given", ["", "a", "1,2,3", "3x4", "1.5", "4,"])
def test_what_is_no_image_size_is_refused(given):
    with pytest.raises(InputError, match=r"height and width as 96,128; got '"):
        Recipe(image_size=given)
    with pytest.raises(InputError, match="at least 1; got 5,0"):
        Recipe(image_size="5,0")
