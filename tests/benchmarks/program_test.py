import os
import pathlib

import pytest

PREPARED = pathlib.Path(os.environ.get("TFDS_DATA_DIR", "."), "mnist")


@pytest.mark.skipif(
    not PREPARED.exists(), reason="TFDS_DATA_DIR does not hold mnist"
)
@pytest.mark.slow
def test_an_epoch_is_put_beside_bare_updates(figures_of):
    found = figures_of("program.py", "--unlabeled=512", "--rounds=2")

    program, bare = (
        found[f"{name}: an epoch"]["values"]
        for name in ("bin/train", "bare tf.function")
    )
    assert found["bin/train / bare tf.function"]["values"] == pytest.approx(
        [mine / other for mine, other in zip(program, bare, strict=True)]
    )
