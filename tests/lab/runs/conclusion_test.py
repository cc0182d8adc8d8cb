import math

import pytest

from tf_pseudolabel.lab.runs import conclusion


def _metrics(supervised=(0.85, 0, 13.0), ours=(0.9, 20, 8.0), alpha=3.0):
    """Best accuracy, rows that are right alone, test error."""
    return {
        arm: {
            "test_error_percent": error,
            "test_examples": 200,
            "largest_alpha": alpha if arm == "pseudo_label" else 0.0,
            "right_alone": alone,
            "validation": {"best_accuracy": best, "best_epoch": 7},
        }
        for arm, (best, alone, error) in (
            ("supervised", supervised),
            ("pseudo_label", ours),
        )
    }


def test_both_arms():
    assert conclusion.conclude(_metrics()) == (
        "Best on validation data: pseudo_label, 90.00 % in epoch 7, against "
        "85.00 % of supervised (best/pseudo_label.keras). On the test set the "
        "pseudo-labels helped: the error fell from 13.00 % to 8.00 %. Of 200 "
        "test examples, 20 are right with pseudo-labels alone and 0 with "
        "supervision alone."
    )


def test_pseudo_labels_that_hurt():
    said = conclusion.conclude(_metrics((0.95, 20, 8.0), (0.9, 3, 16.5)))
    assert said.startswith("Best on validation data: supervised, 95.00 %")
    assert "hurt: the error rose from 8.00 % to 16.50 %." in said
    assert "Trust that classifier, or try more labels, a later --t1" in said


def test_a_tie_has_no_winner():
    said = conclusion.conclude(_metrics((0.9, 2, 8.0), (0.9, 2, 8.0)))
    assert said.startswith("Level on validation data: 90.00 % of both arms.")
    assert "Trust" not in said


@pytest.mark.parametrize("ours", [(0.5, 9, 4.0), (0.99, 9, 30.0)])
def test_without_alpha_nothing_is_said_of_pseudo_labels(ours):
    said = conclusion.conclude(_metrics(ours=ours, alpha=0.0))
    assert "Alpha was 0 throughout: no pseudo-label was trained on" in said
    for word in ("hurt", "help", "lower --alpha_f"):
        assert word not in said


def test_one_arm():
    metrics = {"pseudo_label": _metrics()["pseudo_label"]}
    assert conclusion.conclude(metrics) == (
        "Best on validation data: pseudo_label, 90.00 % in epoch 7 "
        "(best/pseudo_label.keras). This run has one arm only, so what "
        "pseudo-labels did is not known: train the supervised baseline, too."
    )


def test_an_older_run():
    metrics = {
        arm: {"test_error_percent": error}
        for arm, error in (("supervised", 10.0), ("pseudo_label", 5.0))
    }
    assert conclusion.conclude(metrics) == (
        "The test error goes from 10.00 % to 5.00 %; whether by more than "
        "chance was not recorded."
    )


def _sign_test(first, second):
    """The exact test that McNemar's approximates, two-sided."""
    both = first + second
    tail = sum(math.comb(both, k) for k in range(min(first, second) + 1))
    return 2 * tail / 2**both


@pytest.mark.parametrize("both", range(1, 60))
def test_chance_is_what_the_exact_test_calls_so(both):
    for first in range(both // 2 + 1):
        p = _sign_test(first, both - first)
        if not 0.04 < p < 0.06:  # There the approximation may differ.
            assert conclusion._differ(first, both - first) == (p < 0.05)


def test_networks_that_agree_do_not_differ():
    assert not conclusion._differ(0, 0)
