import pytest


@pytest.mark.slow
def test_both_phases_are_measured(figures_of):
    found = figures_of("phases.py", "--steps=2", "--rounds=1")

    for setting in ("conv 32+256", "conv 64+256", "mlp 32+256"):
        plain = found[f"{setting} inference: supervised"]["median"]
        for name in (
            "labels alone",
            "alpha = 0",
            "alpha = 0, batches of bin/train",
        ):
            ours, ratio = (
                found[f"{setting} inference: {line}"]["median"]
                for line in (name, f"{name} / supervised")
            )
            assert ratio == pytest.approx(ours / plain)
