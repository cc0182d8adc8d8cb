import numpy as np
import pytest

from tf_pseudolabel.lab.data import copies


def without(sets, labels=None):
    """Of sets of letters: what is left of each, and the notes."""
    letters = np.array(list("".join(sets.values())))
    ends = np.cumsum([len(x) for x in sets.values()])
    rows = np.split(np.arange(len(letters)), ends[:-1])
    if labels is None:
        labels = np.zeros(len(letters), int)
    left, notes = copies.without(
        letters, np.asarray(labels), dict(zip(sets, rows, strict=True))
    )
    return {k: "".join(letters[x]) for k, x in left.items()}, notes


def test_nothing_is_done_where_nothing_repeats():
    sets = {"labeled": "abc", "unlabeled": "de", "test": "f"}
    assert without(sets) == (sets, [])


def test_a_row_stays_in_the_set_that_is_measured_with():
    left, notes = without(
        {
            "labeled": "abcd",
            "unlabeled": "aexyz",
            "test": "be",
            "validation": "bc",
        }
    )
    assert left == {
        "test": "be",
        "validation": "c",
        "labeled": "ad",
        "unlabeled": "xyz",
    }
    assert notes == [
        "Left out of the validation rows, as copies of test rows: 1.",
        "Left out of the labeled rows, as copies of test rows: 1.",
        "Left out of the labeled rows, as copies of validation rows: 1.",
        "Left out of the unlabeled rows, as copies of test rows: 1.",
        "Left out of the unlabeled rows, as copies of labeled rows: 1.",
    ]


def test_rows_that_others_are_held_out_of_are_taken_once():
    left, notes = without({"labeled": "abac", "unlabeled": "dd", "test": "ee"})
    assert left == {"labeled": "abc", "unlabeled": "dd", "test": "ee"}
    assert notes == ["Left out of the labeled rows, as copies of others: 1."]


def test_two_labels_for_one_row_are_said():
    left, notes = without({"labeled": "aabb"}, labels=[0, 1, 1, 1])
    assert left == {"labeled": "aab"}
    assert notes[0] == "The same rows with different labels: 1; all are kept."


@pytest.mark.parametrize("test", ["", "ab"])
def test_rows_that_look_alike_by_nature_are_kept(test):
    sets = {"labeled": "ababab", "unlabeled": "ab", "test": test}
    left, notes = without(sets, labels=[0] * (8 + len(test)))
    assert left == sets
    assert "More than half of the rows repeat others" in notes[0]
