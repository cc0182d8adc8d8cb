import pytest


@pytest.mark.slow
def test_updates_and_starts_are_measured(figures_of):
    found = figures_of("input.py", "--rounds=1", "--steps=1", "--files=50")

    for kind in ("PNG", "JPEG"):
        for feed in ("no cache", "memory", "Keras"):
            assert 0 <= found[f"{kind}, {feed}: waits"]["median"] <= 100
            assert found[f"{kind}, {feed}: update"]["median"] > 0
    assert found["500 files: start"]["median"] > 0
    # TensorFlow alone takes more than that.
    assert found["50 files: peak memory"]["median"] > 100
    assert 0.5 < found["peak memory, ten times the files"]["median"] < 2
