import pytest


def test_both_phases_are_measured(figures_of):
    found = figures_of("phases.py", "--steps=2", "--rounds=1")

    for setting in ("conv 32+256", "conv 64+256", "mlp 32+256"):
        ours, plain, ratio = (
            found[f"{setting} inference: {name}"]["median"]
            for name in ("alpha = 0", "supervised", "alpha = 0 / supervised")
        )
        assert ratio == pytest.approx(ours / plain)
