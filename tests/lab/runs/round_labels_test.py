import numpy as np
import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs import round_labels
from tf_pseudolabel.lab.runs.round_labels import Labels
from tf_pseudolabel.lab.runs.run_directory import RunDirectory

NAMES = ['a, "b"', "c\n"]
IDS = np.array(["x", "y,z", "ü"])
FOUND = Labels(
    IDS,
    np.array([1, 0, 1]),
    np.array([0.1, 1 / 3, 1.0]),
    np.array([True, False, True]),
    np.array([False, True, True]),
)


def test_what_is_written_is_read(tmp_path):
    folder = tmp_path / "round-1"
    folder.mkdir()
    round_labels.write(RunDirectory(folder), FOUND, np.array([1, -1, 0]), NAMES)

    found = round_labels.read(folder / round_labels.LABELS, IDS, NAMES)

    for ours, theirs in zip(FOUND, found, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert round_labels.flips(tmp_path) == {"y,z": 1, "ü": 1}


def test_other_rows_and_other_things_are_one_line(tmp_path):
    round_labels.write(
        RunDirectory(tmp_path), FOUND, np.array([1, -1, 0]), NAMES
    )
    path = tmp_path / round_labels.LABELS

    with pytest.raises(InputError, match="rows of this run; got others"):
        round_labels.read(path, IDS[::-1], NAMES)
    with pytest.raises(InputError, match="must hold the labels of a round"):
        round_labels.read(path, IDS, ["p", "q"])
    with pytest.raises(InputError, match="must hold the labels of a round"):
        round_labels.read(tmp_path / "gone.csv", IDS, NAMES)


def test_a_run_without_rounds_has_no_flips(tmp_path):
    assert round_labels.flips(tmp_path) == {}
