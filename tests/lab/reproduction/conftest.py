import dataclasses

import pytest

from tf_pseudolabel.lab.recipes import RECIPES
from tf_pseudolabel.lab.reproduction.plan import Cell, Plan

RECIPE = dataclasses.replace(RECIPES["digits_conv"], epochs=3, t1=1, t2=2)


def _plan(**values):
    cells = [
        Cell(
            f"{epochs} epochs",
            dataclasses.replace(RECIPE, epochs=epochs),
            most_seeds,
        )
        for epochs, most_seeds in ((3, None), (4, 1))
    ]
    return Plan(tuple(cells), **values)


def _metrics(error=12.5):
    return {
        "pseudo_label": {
            "test_error_percent": error,
            "conditional_entropy": {"train": 1, "unlabeled": 2, "test": 3},
            "validation": {
                "accuracy": 0.9,
                "best_accuracy": 0.95,
                "best_epoch": 1,
            },
            "epochs": 3,
            "updates": 30,
            "train_seconds": 4.5,
        }
    }


@pytest.fixture(name="plan")
def fixture_plan():
    """Makes a plan of two recipes, the second one on one split alone."""
    return _plan


@pytest.fixture(name="metrics")
def fixture_metrics():
    """Makes what a run's `metrics.json` holds."""
    return _metrics
