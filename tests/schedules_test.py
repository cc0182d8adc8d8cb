import math

import keras
import numpy as np
import pytest

from tf_pseudolabel import schedules


def test_linear_ramp_is_equation_16():
    ramp = schedules.LinearRamp(t1=100, t2=600, alpha_f=3.0)

    # T1 and T2 belong to the piece on their right.
    assert [ramp(t) for t in (0, 99, 99.999)] == [0.0] * 3
    assert ramp(100) == 0.0
    assert ramp(101) == pytest.approx(3.0 / 500)
    assert ramp(350) == 1.5
    assert ramp(599) == pytest.approx(3.0 * 499 / 500)
    assert [ramp(t) for t in (600, 601, 10_000)] == [3.0] * 3


def test_linear_ramp_of_no_width_is_a_step():
    step = schedules.LinearRamp(t1=5, t2=5, alpha_f=2.0)

    assert [step(4), step(5), step(6)] == [0.0, 2.0, 2.0]


def test_sigmoid_ramp_by_hand():
    ramp = schedules.SigmoidRamp(t1=10, t2=50, alpha_f=2.0)

    assert [ramp(t) for t in (0, 9, 9.999)] == [0.0] * 3
    # exp(-5 (1 - x)^2): e^-5 at t1, e^-1.25 halfway.
    assert ramp(10) == pytest.approx(2.0 * 0.006737947)
    assert ramp(20) == pytest.approx(2.0 * math.exp(-5 * 0.75**2))
    assert ramp(30) == pytest.approx(2.0 * 0.286504797)
    assert ramp(49.9999) == pytest.approx(2.0, rel=1e-6)
    assert [ramp(t) for t in (50, 51, 10_000)] == [2.0] * 3


def test_sigmoid_ramp_of_no_width_is_a_step():
    step = schedules.SigmoidRamp(t1=5, t2=5, alpha_f=2.0)

    assert [step(4.9), step(5), step(6)] == [0.0, 2.0, 2.0]


def test_constant():
    assert [schedules.Constant(0.5)(t) for t in (0, 1000)] == [0.5, 0.5]


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.Constant(0.25),
        schedules.LinearRamp(1, 2, 0.5),
        schedules.SigmoidRamp(1, 2, 0.5),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_serialization(schedule):
    config = keras.saving.serialize_keras_object(schedule)
    restored = keras.saving.deserialize_keras_object(config)

    assert type(restored) is type(schedule)
    assert restored.get_config() == schedule.get_config()


@pytest.mark.parametrize("ramp", [schedules.LinearRamp, schedules.SigmoidRamp])
def test_t2_before_t1_is_refused(ramp):
    with pytest.raises(ValueError, match="t1=700 and t2=100"):
        ramp(t1=700, t2=100, alpha_f=3.0)


@pytest.mark.parametrize("alpha", [-0.5, float("nan"), float("inf")])
def test_bad_alpha_is_refused(alpha):
    with pytest.raises(ValueError, match=f"got {alpha}"):
        schedules.Constant(alpha)
    with pytest.raises(ValueError, match=f"got {alpha}"):
        schedules.LinearRamp(0, 1, alpha)
    with pytest.raises(ValueError, match=f"got {alpha}"):
        schedules.SigmoidRamp(0, 1, alpha)


def test_schedule_without_call_says_so():
    class Unfinished(schedules.Schedule):
        pass

    with pytest.raises(TypeError, match="Unfinished must define __call__"):
        Unfinished()(0)


def test_cosine_ramp_by_hand():
    ramp = schedules.CosineRamp(t1=10, t2=50, alpha_f=2.0)

    assert [ramp(t) for t in (0, 10, 20, 30, 50, 99)] == [
        pytest.approx(alpha)
        for alpha in (0, 0, 2 * (1 - np.cos(np.pi / 4)) / 2, 1, 2, 2)
    ]
