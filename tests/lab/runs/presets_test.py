"""Every preset through a whole run: real digits, no NaN, and it goes on."""

import csv
import dataclasses
import math

import pytest

from tf_pseudolabel import presets
from tf_pseudolabel.lab.recipes.recipe import Recipe
from tf_pseudolabel.lab.runs import experiment, methods


def _recipe(name):
    recipe = Recipe(
        num_labeled=50, epochs=12, t1=0, t2=12, network="conv", baseline=False
    )
    values = methods.preset_values(name, recipe)
    # A threshold that is reached in so short a training, of which a round of
    # several has a third.
    values |= {"labeled_batch": 32, "unlabeled_batch": 256, "threshold": 0.11}
    return dataclasses.replace(recipe, **values)


@pytest.mark.slow
@pytest.mark.parametrize("name", presets.PRESETS)
def test_it_trains_and_every_figure_is_a_number(name, tmp_path):
    metrics = experiment.run(
        _recipe(name), tmp_path / "run", with_pictures=False
    )

    figures = metrics["pseudo_label"]
    assert 0 <= figures["test_error_percent"] <= 100
    with (tmp_path / "run" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    for row in rows:
        for column in ("loss", "labeled_loss", "unlabeled_loss"):
            assert math.isfinite(float(row[column])), (column, row)
    assert float(rows[-1]["unlabeled_loss"]) != 0
