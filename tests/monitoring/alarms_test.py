import math

import numpy as np
import pytest

from tf_pseudolabel.monitoring import alarms

UNIFORM = [0.1] * 10


def _rows(epochs, **columns):
    """A healthy history, but for the columns given (values or one value)."""
    healthy = {
        "alpha": 1.0,
        "coverage": 1.0,
        "churn": 0.01,
        "val_accuracy": 0.9,
        "class_shares": UNIFORM,
        "labeled_shares": UNIFORM,
    }
    rows = [{"epoch": epoch, **healthy} for epoch in range(epochs)]
    for name, values in columns.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    return rows


def _names(rows):
    return [(alarm.alarm, alarm.epoch) for alarm in alarms.raised(rows)]


def test_a_healthy_history_raises_none():
    assert alarms.raised(_rows(50)) == []
    assert alarms.raised([]) == []


def test_hardly_a_row_counts_for_five_epochs():
    coverage = [0.5, 0.009, 0.0, 0.005, 0.0, 0.02, *[0.009] * 5, 0.0]
    assert _names(_rows(12, coverage=coverage)) == [("no_coverage", 10)]


def test_coverage_before_alpha_rises_is_no_matter():
    rows = _rows(10, alpha=[0.0] * 6 + [1.0] * 4, coverage=[0.0] * 10)
    assert _names(rows) == []
    coverage = [math.nan] * 6 + [0.5] + [0.0] * 5
    rows = _rows(12, alpha=[0.0] * 6 + [1.0] * 6, coverage=coverage)
    assert _names(rows) == [("no_coverage", 11)]


def test_a_network_has_twenty_epochs_to_become_sure():
    assert _names(_rows(19, coverage=[0.0] * 19)) == []
    assert _names(_rows(20, coverage=[0.0] * 20)) == [("no_coverage", 19)]


def test_one_class_takes_more_than_halfway_to_everything():
    """0.1 of the labels: the limit is (1 + 0.1) / 2 = 0.55."""

    def shares(largest):
        return [largest, *[(1 - largest) / 9] * 9]

    below, above = shares(0.54), shares(0.56)
    assert _names(_rows(4, class_shares=[below] * 4)) == []
    rows = _rows(5, class_shares=[above, below, above, above, above])
    assert _names(rows) == [("one_class", 4)]
    assert "class 0 got 56% of them, and 10% of the labels" in (
        alarms.raised(rows)[0].text
    )


def test_another_class_every_epoch_is_not_one_class():
    shares = np.full((3, 10), 0.04)
    shares[range(3), range(3)] = 0.64
    assert _names(_rows(3, class_shares=shares.tolist())) == []


def test_a_class_may_be_frequent_among_the_labels():
    """0.8 of the labels: the limit is 0.9."""
    labeled, shares = [[0.8, 0.2]] * 4, [[0.88, 0.12]] * 4
    assert _names(_rows(4, class_shares=shares, labeled_shares=labeled)) == []


def test_nothing_accepted_is_not_one_class():
    assert _names(_rows(4, class_shares=[[math.nan] * 10] * 4)) == []


@pytest.mark.parametrize(
    "churn, expected",
    [
        ([0.2] * 20, [("churn", 19)]),
        ([0.2] * 19, []),
        ([0.2] * 10 + [0.15] * 10, []),  # It is settling: less than 0.8 of it.
        ([0.12] * 10 + [0.1] * 10, [("churn", 19)]),
        ([0.09] * 20, []),
        ([math.nan] * 20, []),
    ],
)
def test_labels_that_do_not_settle(churn, expected):
    assert _names(_rows(len(churn), churn=churn)) == expected


@pytest.mark.parametrize(
    "best, last, raised",
    [
        (0.90, 0.86, False),  # The error of 0.1 may grow by half of it, 0.05.
        (0.90, 0.84, True),
        (0.98, 0.965, False),  # At least two points.
        (0.98, 0.955, True),
        (0.60, 0.56, False),  # At most five.
        (0.60, 0.54, True),
    ],
)
def test_validation_fell(best, last, raised):
    rows = _rows(10, val_accuracy=[best] * 5 + [last] * 5)
    assert _names(rows) == ([("validation_fell", 9)] if raised else [])


def test_a_fall_within_the_noise_is_none():
    """Standard deviations of 0.055 either side: 2 * 0.077 is above 0.1."""
    noisy = np.array([0.05, -0.05, 0.05, -0.05, 0.0])
    steady = [*(0.8 + noisy), *(0.7 + noisy)]
    assert _names(_rows(10, val_accuracy=steady)) == []


def test_a_fall_before_alpha_rises_is_not_the_pseudo_labels_doing():
    values = [0.9] * 5 + [0.6] * 5
    assert _names(_rows(10, alpha=[0.0] * 10, val_accuracy=values)) == []


def test_validation_fell_where_some_epochs_have_none():
    """Of `validation_freq=3`: every third epoch counts, and no other."""
    seen = [0.9] * 5 + [0.84] * 5
    values = [math.nan] * 30
    values[2::3] = seen
    rows = _rows(30, val_accuracy=values)

    assert _names(rows) == [("validation_fell", 29)]
    text = alarms.raised(rows)[0].text
    assert "from 90.0% (epochs 2 to " in text and "to 84.0%" in text
    assert _names(_rows(30, val_accuracy=[math.nan] * 30)) == []


def test_each_alarm_is_raised_once_and_in_order():
    rows = _rows(
        30, coverage=[0.0] * 30, churn=[0.5] * 30, val_accuracy=[0.9] * 30
    )
    assert _names(rows) == [("no_coverage", 19), ("churn", 19)]
    known = {"no_coverage"}
    assert [a.alarm for a in alarms.newly_raised(rows, known)] == ["churn"]


def test_every_text_says_what_to_consider():
    rows = _rows(
        40,
        coverage=[0.0] * 40,
        churn=[0.5] * 40,
        val_accuracy=[0.9] * 20 + [0.5] * 20,
        class_shares=[[0.91, *[0.01] * 9]] * 40,
    )
    found = alarms.raised(rows)
    assert {alarm.alarm for alarm in found} == set(alarms.RULES)
    assert all("onsider" in alarm.text for alarm in found)
