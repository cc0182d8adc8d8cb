import pytest


@pytest.mark.slow
def test_updates_are_measured(figures_of):
    found = figures_of("input.py", "--rounds=1", "--steps=1")

    for kind in ("PNG", "JPEG"):
        for feed in ("no cache", "memory", "Keras"):
            assert 0 <= found[f"{kind}, {feed}: waits"]["median"] <= 100
            assert found[f"{kind}, {feed}: update"]["median"] > 0
