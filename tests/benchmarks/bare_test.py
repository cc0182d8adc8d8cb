import numpy as np
import pytest
import subjects

STEPS = 3


def _after_fit(setting):
    model = subjects.pseudo_label_model(setting)
    history = model.fit(
        subjects.stream_of(setting),
        epochs=STEPS,
        steps_per_epoch=1,
        verbose=0,
    )
    return history.history["loss"], model.classifier.get_weights()


def _after_bare_function(setting):
    classifier, step = subjects.bare_step(setting)
    stream = subjects.stream_of(setting).take(STEPS)
    values = [float(step(*batch)) for batch in stream]
    return values, classifier.get_weights()


@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(
            setting,
            marks=[pytest.mark.slow] * (setting.network == subjects.PHOTOS),
        )
        for setting in subjects.SETTINGS
        if setting.rows == 32
    ],
    ids=str,
)
def test_fit_does_the_arithmetic_of_the_bare_function(setting):
    """What is timed side by side is the same, dropout included."""
    losses, weights = _after_fit(setting)
    bare_losses, bare_weights = _after_bare_function(setting)

    np.testing.assert_allclose(losses, bare_losses, rtol=1e-5)
    for mine, other in zip(weights, bare_weights, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)
