import keras
import precision
import pytest


def test_networks_compute_in_the_policy_and_leave_it(monkeypatch):
    asked = []
    monkeypatch.setattr(
        precision.subjects,
        "time_of_fit",
        lambda model, data, steps: asked.append(model),
    )
    for policy in precision.POLICIES.values():
        precision.of_network(precision.SETTINGS["conv"], policy, 1)

    found = [model.classifier.layers[-3].compute_dtype for model in asked]
    assert found == ["float32", "bfloat16"]
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.slow
def test_both_are_measured(figures_of):
    found = figures_of(
        "precision.py", "--steps=1", "--rounds=1", "--networks=mlp,norm_conv"
    )

    for setting in ("mlp 32+256 inference, two passes", "norm_conv 64+256"):
        (ratio,) = (
            figure["median"]
            for name, figure in found.items()
            if name.startswith(setting) and " / " in name
        )
        one, other = (
            figure["median"]
            for name, figure in found.items()
            if name.startswith(setting) and " / " not in name
        )
        assert ratio == pytest.approx(other / one)
