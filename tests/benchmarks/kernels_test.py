import pytest


@pytest.mark.slow
def test_shares_are_of_the_rate_and_the_update_of_all(figures_of):
    found = figures_of("kernels.py", "--rounds=1", "--steps=1")

    for network, products in (("conv", 15), ("mlp", 7)):
        times = {
            name: line["median"]
            for name, line in found.items()
            if name.startswith(f"{network}: ") and line["unit"] == "ms"
        }
        fit, whole = times.pop(f"{network}: fit"), times.pop(f"{network}: all")
        assert len(times) == products
        assert whole == pytest.approx(sum(times.values()))
        share = found[f"{network}: all: share of the rate"]["median"]
        assert 0 < share < 1.5
        ratio = found[f"{network}: fit / all"]["median"]
        assert ratio == pytest.approx(fit / whole)
