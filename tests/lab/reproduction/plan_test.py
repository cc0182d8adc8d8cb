from tf_pseudolabel.lab.recipes import RECIPES
from tf_pseudolabel.lab.reproduction.plan import Plan, cell

DIGITS = RECIPES["digits_conv"]


def test_a_cell_is_a_recipe_with_changes():
    changed = cell(DIGITS, "more", most_seeds=2, num_labeled=70)

    assert (changed.method, changed.variant) == ("digits_conv", "more")
    assert (changed.labels, changed.most_seeds) == (70, 2)
    assert changed.recipe.epochs == DIGITS.epochs
    assert cell(DIGITS).recipe == DIGITS


def test_plans_are_equal_whose_cells_are():
    assert Plan((cell(DIGITS),)) == Plan((cell(DIGITS),))
    assert Plan((cell(DIGITS),)) != Plan((cell(DIGITS, seed=1),))
