import dataclasses
import math

import numpy as np
import pytest

from tf_pseudolabel.lab.report import summary


def _with(results, supervised, pseudo_label):
    """The results with other test errors."""
    errors = {"supervised": supervised, "pseudo_label": pseudo_label}
    metrics = {
        arm: {**results.metrics[arm], "test_error_percent": error}
        for arm, error in errors.items()
    }
    return dataclasses.replace(results, metrics=metrics)


def test_best_validation_accuracy_is_that_of_metrics(make_results):
    results = make_results()
    results.metrics["supervised"]["validation"] = {
        "accuracy": 0.7,
        "best_accuracy": 0.875,
        "best_epoch": 3,
    }
    assert summary.validation(results, "supervised") == (0.875, 3)


def test_older_runs_have_it_in_their_history(make_results):
    # The arm's accuracies are 0.6, 0.62, 0.64, 0.66 and 0.68.
    best, epoch = summary.validation(make_results(), "pseudo_label")
    assert (best, epoch) == (pytest.approx(0.68), 4)


def test_the_first_of_equal_epochs_is_the_best(make_results):
    results = make_results()
    for row in results.history:
        row["val_accuracy"] = math.nan if row["epoch"] == 0 else 0.5
    assert summary.validation(results, "supervised") == (0.5, 1)


def test_validation_may_be_unknown(make_results):
    results = dataclasses.replace(make_results(), history=[])
    best, epoch = summary.validation(results, "supervised")
    assert math.isnan(best)
    assert epoch is None
    assert "validation" not in summary.verdict(results)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (8, 2, "helped: the error fell from 80.00 % to 20.00 %"),
        (2, 8, "hurt: the error rose from 20.00 % to 80.00 %"),
        (5, 5, "no effect beyond chance: the error goes from 50.00 % to 50.00"),
        (6, 2, "no effect beyond chance: the error goes from 60.00 % to 20.00"),
    ],
)
def test_verdict_of_the_test_set(before, after, said, make_results):
    """Of ten rows, the first ones are wrong."""
    results = _with(make_results(classes=2, tested=10), 10 * before, 10 * after)
    for arm, wrong in (("supervised", before), ("pseudo_label", after)):
        labels = results.split.test.labels.copy()
        labels[:wrong] = 1 - labels[:wrong]
        results.probabilities[arm]["test"] = np.eye(2)[labels]
    assert said in summary.verdict(results)


def test_verdict_of_an_older_run_without_alpha(make_results):
    results = _with(make_results(), 13.6, 7.6)
    for row in results.history:
        row["alpha"] = 0.0
    said = summary.verdict(results)
    assert "Alpha was 0 throughout" in said
    assert not {"helped", "hurt", "help"} & {*said.split()}


def test_verdict_counts_rows_that_one_arm_alone_gets_right(make_results):
    results = make_results(classes=2, tested=4)
    # Labels are 0, 1, 0, 1. Supervised is right on rows 0, 1; the other on
    # 1, 2, 3.
    for arm, predicted in {
        "supervised": [0, 1, 1, 0],
        "pseudo_label": [1, 1, 0, 1],
    }.items():
        results.probabilities[arm]["test"] = np.eye(2)[predicted]
    assert (
        "Of 4 test examples, 2 are right with pseudo-labels alone and 1 with "
        "supervision alone." in summary.verdict(results)
    )


@pytest.mark.parametrize(
    ("supervised", "ours", "said"),
    [
        (
            0.9,
            0.95,
            "Best on validation data: pseudo_label, 95.00 % in epoch 0",
        ),
        (
            0.95,
            0.9,
            "Best on validation data: supervised, 95.00 % in epoch 0",
        ),
        (0.9, 0.9, "Level on validation data: 90.00 % of both arms"),
    ],
)
def test_verdict_of_validation(supervised, ours, said, make_results):
    results = make_results()
    for arm, best in (("supervised", supervised), ("pseudo_label", ours)):
        results.metrics[arm]["validation"] = {
            "best_accuracy": best,
            "best_epoch": 0,
        }
    assert said in summary.verdict(results)


def test_one_arm_has_no_verdict(make_results):
    results = make_results(arms=("pseudo_label",))
    assert "one arm only" in summary.verdict(results)
    assert summary.figures_table(results).header == ["", "Pseudo-label"]


def test_figures_of_both_arms(make_results):
    results = _with(make_results(), 12.5, 6.25)
    results.metrics["supervised"]["conditional_entropy"] = {"test": 0.5}
    table = summary.figures_table(results)
    rows = {name: cells for name, *cells in table.rows}
    assert table.header == ["", "Supervised", "Pseudo-label"]
    assert rows["Test error, %"] == ["12.50", "6.25"]
    assert rows["Test examples"] == ["60", "60"]
    assert rows["Best validation accuracy, %"] == ["58.00", "68.00"]
    assert rows["… reached in epoch"] == ["4", "4"]
    assert rows["Conditional entropy, test rows, nats"] == ["0.5000", "–"]
    assert rows["Updates"] == ["9", "9"]


def test_calibration_of_a_network_that_is_always_sure(make_results):
    results = make_results(classes=2, tested=4)
    # Sure of class 0, which half of the rows are: off by 1 - 0.5.
    results.probabilities["supervised"]["test"] = np.eye(2)[[0, 0, 0, 0]]
    assert summary.calibrated(results, "supervised").error == 0.5


def test_comparison_of_runs(make_results):
    alone = make_results(arms=("pseudo_label",))
    alone.metrics["pseudo_label"]["test_error_percent"] = 5.0
    both = _with(make_results(warnings=[{}]), 10.0, 8.0)
    table = summary.comparison_table({"both": both, "alone": alone})
    assert [row[:4] for row in table.rows] == [
        ["both", "digits", "20", "0"],
        ["alone", "digits", "20", "0"],
    ]
    assert [row[4:] for row in table.rows] == [
        ["10.00", "8.00", "-2.00", "58.00", "68.00", "1"],
        ["–", "5.00", "–", "–", "68.00", "0"],
    ]


def test_facts_and_flags(make_results):
    results = make_results()
    facts = dict(summary.facts(results))
    assert facts["Data"] == "digits: 10 classes, images of 8 × 8 × 1"
    assert facts["Examples"].startswith("20 labeled, 80 unlabeled")
    assert facts["Pseudo-labels"] == (
        "hard, made by the network in inference mode, all rows count, batch "
        "normalization auto"
    )
    assert facts["Schedule"] == (
        "50 epochs; α is 0 before epoch 5, rises to 1 by epoch 30 (linear "
        "ramp), and stays"
    )
    recipe = dataclasses.replace(results.recipe, data_dir="caf\udce9")
    flags = summary.flags(dataclasses.replace(results, recipe=recipe))
    assert r"--data_dir=caf\xe9" in flags
    assert "--num_labeled=50" in flags
    assert "--nodeterministic" in flags
    assert "--baseline" in flags
    assert not any("None" in flag for flag in flags)


def test_a_search_for_the_preset_is_said(make_results):
    assert "Search" not in dict(summary.facts(make_results()))

    found = summary.facts(make_results(search=["a 90 %", "a and b: ahead"]))
    assert dict(found)["Search"] == "a 90 % a and b: ahead"


def test_what_was_run_is_said_by_the_rows_of_the_parts(make_results):
    results = make_results()
    recipe = dataclasses.replace(
        results.recipe,
        teacher="lagged",
        restart_epochs=7,
        target="sharpened",
        temperature=0.3,
        selection="top_share",
        mean="accepted",
        unlabeled_loss="entropy",
        class_prior=0.8,
        ramp="constant",
        first_learning_rate=0.5,
    )
    facts = dict(summary.facts(dataclasses.replace(results, recipe=recipe)))
    assert facts["Pseudo-labels"] == (
        "sharpened with temperature 0.3, made by an earlier network "
        "(lag_epochs 7), the surest 20% of every class count, rising to all, "
        "mean over accepted rows, the entropy of the outputs in place of a "
        "pseudo-label loss, batch normalization auto, class prior weighed 0.8"
    )
    assert facts["Schedule"] == "50 epochs; α is 1 throughout"
    assert "learning rate 0.05 (0.5 before epoch 5)" in facts["Optimizer"]
