import math

import numpy as np
import pytest

from tf_pseudolabel.lab.analysis.entropy import conditional_entropy


def test_mean_over_rows_of_the_sum_over_classes():
    by_hand = (
        -(0.5 * math.log(0.5) + 0.25 * math.log(0.25) * 2)
        - (0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    ) / 2
    result = conditional_entropy([[0.5, 0.25, 0.25], [0.9, 0.1, 0.0]])
    assert isinstance(result, float)
    assert result == pytest.approx(by_hand)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_uniform_rows_have_log_classes(classes):
    uniform = np.full((5, classes), 1 / classes)
    assert conditional_entropy(uniform) == pytest.approx(math.log(classes))


def test_certain_rows_have_none():
    assert conditional_entropy(np.eye(4)) == 0


def test_sigmoid_outputs_have_no_term_for_the_complement():
    # With a (1 - P) term the second row would count, and the first twice.
    result = conditional_entropy([[0.5, 0.5], [1.0, 1.0]])
    assert result == pytest.approx(math.log(2) / 2)
    assert conditional_entropy([[0.5, 0.5, 0.5]]) == pytest.approx(
        1.5 * math.log(2)
    )


def test_float32_outputs_are_summed_in_float64():
    outputs = np.full((50_000, 10), 0.1, dtype=np.float32)
    p = float(np.float32(0.1))
    expected = -10 * p * math.log(p)
    assert conditional_entropy(outputs) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("bad", [-0.25, 1.25, math.nan, math.inf])
def test_refuses_what_is_no_probability(bad):
    with pytest.raises(ValueError, match=rf"\[0, 1\]; got {bad}; apply"):
        conditional_entropy([[0.5, 0.5], [bad, 0.5]])


@pytest.mark.parametrize("shape", [(0, 10), (3, 0), (0,), (4,), (2, 3, 4)])
def test_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match="got shape") as caught:
        conditional_entropy(np.zeros(shape))
    assert str(shape) in str(caught.value)
