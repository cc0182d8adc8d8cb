import dataclasses
import math

import numpy as np
import pytest

from tf_pseudolabel.lab.report import course


def test_curves_of_both_arms_and_alpha(make_results):
    (chart,) = course.learning_curves(make_results()).charts
    labels = [key.label for key in chart.legend]
    assert labels[:2] == ["Supervised", "Pseudo-label"]
    assert labels[2].startswith("α")
    assert len({key.kind for key in chart.legend}) == 3
    assert chart.table.rows[0] == ["0", "0.500", "0.600", "0.000"]
    assert chart.table.rows[-1] == ["4", "0.580", "0.680", "4.000"]
    assert "Pseudo-label ends at 0.680 in epoch 4" in chart.summary


def test_the_axis_leaves_out_the_first_climb(make_results):
    results = make_results(epochs=100)
    for row in results.history[:3]:
        row["val_accuracy"] = 0.0
    (chart,) = course.learning_curves(results).charts
    assert 0.49 < chart.model.y_range.start < 0.51


def test_a_run_without_validation(make_results):
    results = dataclasses.replace(make_results(), history=[])
    section = course.learning_curves(results)
    assert not section.charts
    assert "No validation accuracy" in section.text


def test_several_runs_share_a_chart(make_results):
    runs = {
        "first": make_results(),
        "second": make_results(arms=("pseudo_label",), epochs=3),
    }
    (chart,) = course.overlaid_curves(runs).charts
    assert [(key.label, key.kind) for key in chart.legend] == [
        ("first: supervised", "dashed"),
        ("first: pseudo-label", "solid"),
        ("second: pseudo-label", "solid"),
    ]
    assert chart.legend[1].color != chart.legend[2].color
    assert chart.table.rows[4] == ["4", "0.580", "0.680", "–"]


def test_quality_of_a_new_run(make_results):
    section = course.pseudo_labels(make_results())
    assert len(section.charts) == 5
    assert [len(chart.legend) for chart in section.charts] == [3, 2, 2, 1, 10]


def test_an_older_run_shows_what_it_has(make_results):
    results = make_results(new=False)
    section = course.pseudo_labels(results)
    assert not section.charts
    assert "nothing about its pseudo-labels" in section.text
    results.history[-1]["pseudo_label_accuracy"] = 0.9
    (chart,) = course.pseudo_labels(results).charts
    assert [key.label for key in chart.legend] == [
        "accuracy of all pseudo-labels"
    ]


def test_empty_cells_are_gaps(make_results):
    results = make_results()
    for row in results.history:
        if row["epoch"] < 2:
            row["coverage"], row["class_shares"] = math.nan, None
    charts = course.pseudo_labels(results).charts
    assert charts[1].table.rows[0] == ["0", "–", "0.500"]
    assert charts[-1].table.rows[0][0] == "2"


@pytest.mark.parametrize(("classes", "named"), [(2, 2), (10, 10), (100, 10)])
def test_classes_that_stray_have_names(classes, named, make_results):
    results = make_results(classes=classes)
    shares = np.full(classes, 0.5 / (classes - 1))
    shares[1] = 0.5
    for row in results.history:
        row["class_shares"] = shares
    chart = course.pseudo_labels(results).charts[-1]
    labels = [key.label for key in chart.legend]
    assert "1" in labels
    assert ("other classes" in labels) == (classes > named)
    assert len(chart.table.header) == 1 + named + 2
    assert chart.table.rows[0][-1] == "0.500"
    assert len(chart.model.renderers) == classes
