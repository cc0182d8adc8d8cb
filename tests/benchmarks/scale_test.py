import pytest


@pytest.mark.slow
def test_starts_and_memory_are_measured(figures_of):
    found = figures_of("scale.py", "--counts=2000,4000", "--seconds=5")

    for kind in ("files", "table", "text"):
        for count in ("2,000", "4,000"):
            assert found[f"{count} {kind}: first start"]["median"] > 0
            # TensorFlow alone takes more than that.
            assert found[f"{count} {kind}: peak memory"]["median"] > 100
