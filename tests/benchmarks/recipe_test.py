import os
import pathlib

import pytest

PREPARED = pathlib.Path(os.environ.get("TFDS_DATA_DIR", "."), "mnist")


@pytest.mark.skipif(
    not PREPARED.exists(), reason="TFDS_DATA_DIR does not hold mnist"
)
def test_the_recipe_trains_both_phases(figures_of):
    found = figures_of(
        *("recipe.py", "--unlabeled=512", "--rounds=1", "--shorter=20")
    )

    assert found["fit: the recipe"]["median"] > 0
    # Untrained, one in ten.
    assert found["fit: accuracy"]["median"] > 50
