from tf_pseudolabel.lab.recipes import PRESETS
from tf_pseudolabel.lab.reproduction import family


def test_every_preset_stands_beside_the_labels_alone():
    plan = family.mnist_family()
    cells = {cell.variant: cell.recipe for cell in plan.cells}

    assert cells.keys() == set(PRESETS)
    assert [n for n, recipe in cells.items() if recipe.baseline] == [
        "lee2013",
        "fixmatch",
    ]
    assert plan.measured_on == "test"


def test_presets_share_network_updates_batches_and_rate():
    for cell in family.mnist_family().cells:
        recipe, base = cell.recipe, family.MNIST
        copies = recipe.copies if recipe.views == "auto" else 1
        assert recipe.unlabeled_batch * copies == base.unlabeled_batch
        for name in ("network", "epochs", "steps_per_epoch", "learning_rate"):
            assert getattr(recipe, name) == getattr(base, name)
        assert recipe.learning_rate_schedule == "cosine"
        assert recipe.first_learning_rate is None


def test_quick_has_fewer_updates():
    for quick, whole in zip(
        family.mnist_family(True).cells,
        family.mnist_family().cells,
        strict=True,
    ):
        steps = quick.recipe.steps_per_epoch
        assert steps * 10 == whole.recipe.steps_per_epoch


def test_what_is_chosen_is_a_preset_with_one_change():
    for cell in family.mnist_family_choice().cells:
        assert cell.variant.split(", ")[0] in PRESETS
        assert not cell.recipe.baseline
