import numpy as np
import pytest

from tf_pseudolabel.lab.report import outcome


def _one_hot(results, part, predicted):
    for outputs in results.probabilities.values():
        outputs[part] = np.eye(len(results.class_names))[predicted]


def test_confusion_has_the_matrix_as_a_table(make_results):
    results = make_results(classes=2, tested=4, class_names=["cat", "dog"])
    _one_hot(results, "test", [0, 0, 0, 1])  # of 0, 1, 0, 1
    chart = outcome.confusions(results).charts[0]
    assert chart.table.header == ["True \\ predicted", "cat", "dog"]
    assert chart.table.rows == [["cat", "2", "0"], ["dog", "1", "1"]]
    assert "3 of 4 test rows are right" in chart.summary


def test_many_classes_have_a_list_of_confusions(make_results):
    results = make_results(classes=100, tested=300)
    predicted = results.split.test.labels.copy()
    predicted[[5, 105, 205, 7]] = [9, 9, 9, 8]
    _one_hot(results, "test", predicted)
    chart = outcome.confusions(results).charts[1]
    assert chart.table.rows == [["5", "9", "3"], ["7", "8", "1"]]


def test_a_collapsed_network(make_results):
    results = make_results()
    _one_hot(results, "test", np.zeros(60, int))
    chart = outcome.confusions(results).charts[0]
    assert {row[1] for row in chart.table.rows} == {"6"}
    error = "expected calibration error 90.00 %"
    assert error in outcome.reliability(results).charts[0].title


def test_reliability_lists_its_bins(make_results):
    chart = outcome.reliability(make_results()).charts[0]
    assert len(chart.table.rows) == 15
    assert sum(int(row[1]) for row in chart.table.rows) == 60
    assert chart.table.rows[0] == ["0.000 to 0.067", "0", "–", "–"]


def test_margins_of_both_parts_and_arms(make_results):
    results = make_results(classes=2, tested=4)
    _one_hot(results, "test", [0, 1, 0, 1])
    test, unlabeled = outcome.margins(results).charts
    assert test.table.header == ["Margin", "Supervised", "Pseudo-label"]
    assert test.table.rows[-1] == ["0.95 to 1.00", "1.0000", "1.0000"]
    assert "supervised 1.000, pseudo-label 1.000" in test.summary
    assert unlabeled.title == "Unlabeled rows"


def test_mistakes_on_unlabeled_rows_surest_first(make_results):
    results = make_results(classes=2, class_names=["cat", "dog"])
    outputs = np.tile([[0.9, 0.1], [0.1, 0.9]], (40, 1))
    outputs[3] = [0.6, 0.4]
    outputs[6] = [0.0, 1.0]
    results.probabilities["pseudo_label"]["unlabeled"] = outputs
    section = outcome.mistakes(results)
    first, second = section.pictures
    assert first.lines[0] == "cat, taken for dog"
    assert first.lines[1:] == ["confidence 1.00", "unlabeled/6"]
    assert second.lines[1:] == ["confidence 0.60", "unlabeled/3"]
    assert first.alt == "An image of cat that was taken for dog"
    assert "wrong on 2 of 80 unlabeled rows" in section.text


def test_mistakes_on_test_rows_where_unlabeled_classes_are_unknown(
    make_results,
):
    section = outcome.mistakes(make_results(unlabeled_known=False))
    assert "of 60 test rows" in section.text
    assert all("test/" in picture.lines[2] for picture in section.pictures)


@pytest.mark.parametrize("right", [True, False])
def test_all_or_none_right(right, make_results):
    results = make_results()
    labels = results.split.unlabeled.labels
    _one_hot(results, "unlabeled", (labels + (not right)) % 10)
    section = outcome.mistakes(results)
    assert len(section.pictures) == (0 if right else outcome.MAX_MISTAKES)
    assert f"wrong on {0 if right else 80} of 80" in section.text
