import os
import pathlib

import pytest

PREPARED = pathlib.Path(os.environ.get("TFDS_DATA_DIR", "."), "mnist")


@pytest.mark.skipif(
    not PREPARED.exists(), reason="TFDS_DATA_DIR does not hold mnist"
)
@pytest.mark.slow
def test_the_recipe_trains_both_phases(figures_of):
    found = figures_of(
        *("recipe.py", "--unlabeled=512", "--rounds=1", "--shorter=20")
    )

    for contender in ("fit", "bare tf.functions"):
        # Untrained, one in ten.
        assert found[f"{contender}: accuracy"]["median"] > 50
    whole = found["fit: the recipe"]["median"]
    parts = [
        line["median"]
        for name, line in found.items()
        if name.startswith(("fit: updates", "fit: validation"))
    ]
    assert len(parts) == 4
    assert 0 < sum(parts) < whole
    ratio = found["fit / bare tf.functions"]["median"]
    assert ratio == whole / found["bare tf.functions: the recipe"]["median"]
