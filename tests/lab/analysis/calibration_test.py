import numpy as np
import pytest

from tf_pseudolabel.lab.analysis.calibration import reliability


def test_bins_by_hand():
    # Two bins, (0, 0.5] and (0.5, 1]: rows 0.4, 0.5 and rows 0.6, 0.8, 1.0.
    bins = reliability(
        [0.4, 0.6, 0.5, 1.0, 0.8], [True, True, False, True, False], bins=2
    )
    np.testing.assert_array_equal(bins.edges, [0, 0.5, 1])
    np.testing.assert_array_equal(bins.count, [2, 3])
    np.testing.assert_allclose(bins.confidence, [0.45, 0.8])
    np.testing.assert_allclose(bins.accuracy, [1 / 2, 2 / 3])
    # 2/5 · |0.5 - 0.45| + 3/5 · |2/3 - 0.8| = 0.02 + 0.08
    assert bins.error == pytest.approx(0.1)


def test_gaps_of_both_signs_do_not_cancel():
    # 0.25 and wrong, 0.75 and right: each is 0.25 off, in opposite directions.
    bins = reliability([0.25, 0.75], [False, True], bins=2)
    assert bins.error == pytest.approx(0.25)
    # In one bin they do: mean confidence and accuracy are both 0.5.
    assert reliability([0.25, 0.75], [False, True], bins=1).error == 0


def test_right_and_sure_is_calibrated():
    assert reliability(np.ones(5), np.ones(5)).error == 0


def test_sure_and_wrong_is_the_worst():
    assert reliability(np.ones(5), np.zeros(5)).error == 1


def test_the_paper_has_fifteen_bins_and_zero_is_in_the_first():
    bins = reliability([0.0, 1.0], [False, True])
    assert len(bins.count) == 15
    np.testing.assert_array_equal(np.flatnonzero(bins.count), [0, 14])


def test_empty_bins_are_unknown():
    bins = reliability([1.0], [True], bins=2)
    np.testing.assert_array_equal(bins.accuracy, [np.nan, 1])
    np.testing.assert_array_equal(bins.confidence, [np.nan, 1])


@pytest.mark.parametrize("confidence", [[], [1.1], [-0.1], [np.nan]])
def test_what_is_no_probability_is_refused(confidence):
    with pytest.raises(ValueError, match=r"confidences in \[0, 1\]; got"):
        reliability(confidence, np.ones(len(confidence)))
