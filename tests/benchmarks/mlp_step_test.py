import os
import pathlib

import pytest

PREPARED = pathlib.Path(os.environ.get("TFDS_DATA_DIR", "."), "mnist")


@pytest.mark.skipif(
    not PREPARED.exists(), reason="TFDS_DATA_DIR does not hold mnist"
)
def test_an_update_is_put_beside_its_matrix_products(figures_of):
    found = figures_of("mlp_step.py", "--steps=2", "--rounds=1")

    assert found["update / matrix products"]["median"] == pytest.approx(
        found["update"]["median"] / found["matrix products"]["median"]
    )
