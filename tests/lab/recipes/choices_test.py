import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.choices import row_of, terms_of, values_of
from tf_pseudolabel.lab.recipes.recipe import Recipe, recipe_class


def test_the_parts_that_a_recipe_chooses():
    recipe = Recipe(selection="top_share", minimum_entropy=0.4)
    assert row_of(recipe, "selection").class_name == "TopShare"
    assert row_of(recipe, "schedule").name == "linear"
    # The loss of the labels is no part, and there is no alignment yet.
    assert row_of(recipe, "unlabeled_loss") is None
    assert row_of(recipe, "alignment") is None
    assert [row.name for row in terms_of(recipe)] == ["minimum_entropy"]


@pytest.mark.parametrize(
    ("flag", "problem"),
    [
        ("Flag('epochs', 3, 'mine')", "own and a help; got --epochs in"),
        ("Flag('ramp', 'a', 'mine')", "own and a help; got --ramp in"),
        ("Flag('part_rows', 3, 'mine')", "own and a help; got --part_rows in"),
        ("Flag('whatever')", "own and a help; got --whatever in"),
    ],
)
def test_flags_that_are_called_like_others(flag, problem, tmp_path):
    path = tmp_path / "parts.py"
    path.write_text(
        f"@register('target', 'mine', flags=[{flag}])\nclass Mine: ..."
    )
    with pytest.raises(InputError, match=f"^--parts: .*{problem}"):
        recipe_class(str(path))


def test_the_default_is_no_part_of_a_users_own(tmp_path):
    """Else naming its file would change what runs without a choice do."""
    path = tmp_path / "parts.py"
    path.write_text("@register('unlabeled_loss', 'pseudo_label')\nclass A: ...")
    with pytest.raises(InputError, match=r"that choose nothing; .*Rename it"):
        recipe_class(str(path))


def test_labels_of_self_training_last_a_round():
    recipe = Recipe(teacher="lagged", restart_epochs=7)
    assert values_of(recipe)["lag_epochs"] == 7
