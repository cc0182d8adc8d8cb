import pytest


def test_the_share_is_that_of_the_rate(figures_of):
    found = figures_of("kernels.py", "--rounds=1", "--steps=1")

    times = [
        line["median"]
        for name, line in found.items()
        if line["unit"] == "ms" and name != "all"
    ]
    assert found["all"]["median"] == pytest.approx(sum(times))
    assert 0 < found["all: share of the rate"]["median"] < 1.5
