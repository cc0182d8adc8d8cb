import csv
import dataclasses

import numpy as np
import pytest

from tf_pseudolabel.lab.data import review
from tf_pseudolabel.lab.report import people


@pytest.fixture
def results(make_results, tmp_path):
    """Four classes; arms that are sure of the true one, but for some rows."""
    results = make_results(path=tmp_path, classes=4)
    for outputs in results.probabilities.values():
        for part, examples in (
            ("unlabeled", results.split.unlabeled),
            ("train", results.split.labeled),
        ):
            outputs[part] = 0.04 + 0.84 * np.eye(4)[examples.labels]
    ours, theirs = (
        results.probabilities[arm] for arm in ("pseudo_label", "supervised")
    )
    ours["unlabeled"][7] = [0.3, 0.29, 0.21, 0.2]
    ours["unlabeled"][9] = [0.4, 0.3, 0.2, 0.1]
    theirs["unlabeled"][[3, 5]] = [[0.25] * 4, np.eye(4)[2]]
    theirs["unlabeled"][4] = [0.6, 0.2, 0.1, 0.1]  # Less sure of the same.
    ours["train"][[2, 6]] = [[0.6, 0.2, 0.2, 0.0], [0.9, 0.1, 0.0, 0.0]]
    return results


def _rounds(path, **flips):
    """Files of two rounds; a row that flips once does so in the second."""
    for number in (2, 3):
        own = path / f"round-{number}"
        own.mkdir()
        rows = [
            {"id": f"unlabeled/{name[1:]}", "flipped": int(n >= 4 - number)}
            for name, n in flips.items()
        ]
        review.write(own / "labels.csv", rows, ("id", "flipped"))


def _names(examples, doubts):
    return [examples.ids[doubt.row] for doubt in doubts]


def test_rows_of_every_reason(results):
    _rounds(results.path, r11=1, r12=2, r13=0)
    found = people.unlabeled(results)
    rows = results.split.unlabeled
    assert _names(rows, found["least sure"])[:2] == [
        *("unlabeled/7", "unlabeled/9")
    ]
    disagree = _names(rows, found["arms disagree"])
    assert disagree[0] == "unlabeled/5"
    assert "unlabeled/4" not in disagree
    assert _names(rows, found["changed from round to round"]) == [
        *("unlabeled/12", "unlabeled/11")
    ]
    first = found["least sure"][0]
    assert (first.says, first.confidence) == (0, pytest.approx(0.3))


def test_labels_to_doubt_surest_first(results):
    found = people.conflicts(results)
    assert _names(results.split.labeled, found) == ["labeled/6", "labeled/2"]


def test_what_people_have_said_is_not_asked_again(results):
    _rounds(results.path, r11=1)
    rows = [{"id": i, "label": "0"} for i in ("labeled/6", "unlabeled/7")]
    review.write(results.path / "round-2/corrections.csv", rows, review.COLUMNS)
    assert _names(results.split.labeled, people.conflicts(results)) == [
        "labeled/2"
    ]
    least = people.unlabeled(results)["least sure"]
    assert _names(results.split.unlabeled, least)[0] == "unlabeled/9"


def test_one_arm_has_nobody_to_disagree_with(results):
    ours = {"pseudo_label": results.probabilities["pseudo_label"]}
    found = people.unlabeled(dataclasses.replace(results, probabilities=ours))
    assert set(found) == {"least sure", "changed from round to round"}


def test_the_table_has_each_row_once_and_comes_back(results):
    results = dataclasses.replace(
        results, class_names=('a,"b"', "<b>\n", "$x$", "π")
    )
    path = results.path / "review.csv"
    people.write(results, path)
    with open(path, newline="", encoding="utf-8") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert rows["unlabeled/7"] == {
        "id": "unlabeled/7",
        "says": 'a,"b"',
        "confidence": "0.3000",
        "why": "least sure; arms disagree",
        "given": "",
        "label": "",
    }
    assert rows["labeled/6"]["given"] == "$x$"
    assert rows["labeled/6"]["why"] == "contradicts its label"
    assert review.read(path, results.class_names) == {}
    filled = [{**row, "label": row["says"]} for row in rows.values()]
    review.write(path, filled, people.COLUMNS)
    found = review.read(path, results.class_names)
    assert found["unlabeled/7"] == 0
    split, _ = review.corrected(results.split, {"labeled/6": 3})
    assert split.labeled.labels[6] == 3


def test_what_people_wrote_stays(results, capsys):
    path = results.path / "review.csv"
    for text in ("id,label\nunlabeled/7,3\n", "id;label\n1;3\n"):
        path.write_text(text)
        people.write(results, path)
        assert path.read_text() == text
        assert "stays as it is" in capsys.readouterr().out
    path.write_text("id,label\nunlabeled/7,\n")
    people.write(results, path)
    assert "confidence" in path.read_text()


def test_sections_show_rows_with_their_ids(results):
    ask, doubt = people.sections(results)
    assert ask.pictures[0].source.startswith("data:image")
    assert ask.pictures[0].lines == [
        *("0? least sure", "confidence 0.30", "unlabeled/7")
    ]
    assert doubt.text.startswith("The pseudo-label arm contradicts 2 of the 20")
    assert doubt.pictures[0].lines[0] == "given as 2, taken for 0"


def test_nothing_to_doubt(results):
    ours = results.probabilities["pseudo_label"]
    ours["train"] = np.eye(4)[results.split.labeled.labels]
    _, doubt = people.sections(results)
    assert not doubt.pictures
    assert doubt.text.endswith("labels that it was trained on. ")
