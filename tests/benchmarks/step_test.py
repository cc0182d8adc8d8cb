import pytest


@pytest.mark.slow
def test_every_contender_is_measured(figures_of):
    found = figures_of(
        "step.py",
        *("--steps=2", "--rounds=1", "--networks=mlp", "--nopytorch"),
    )

    for teacher in ("inference", "training"):
        setting = f"mlp 32+256 {teacher}"
        fit = found[f"{setting}: fit"]
        for name in ("bare tf.function", "bare under fit", "limit"):
            other = found[f"{setting}: {name}"]
            assert other["unit"] == "images/s"
            assert found[f"{setting}: {name} / fit"]["median"] == (
                pytest.approx(fit["median"] / other["median"])
            )
        assert found[f"{setting}: products"]["median"] > 0
    assert len(found) == 16
