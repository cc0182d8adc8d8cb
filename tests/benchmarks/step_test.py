import pytest


def test_every_contender_is_measured(figures_of):
    found = figures_of(
        "step.py",
        *("--steps=2", "--rounds=1", "--networks=mlp", "--nopytorch"),
    )

    for teacher in ("inference", "training"):
        setting = f"mlp 32+256 {teacher}"
        fit = found[f"{setting}: fit"]
        for name in ("bare tf.function", "limit"):
            other = found[f"{setting}: {name}"]
            assert other["unit"] == "images/s" and other["better"] == "higher"
            assert found[f"{setting}: {name} / fit"]["median"] == (
                pytest.approx(fit["median"] / other["median"])
            )
    assert len(found) == 10
