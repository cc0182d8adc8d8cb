import errno

import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.replacing import replacing


@pytest.mark.parametrize("several", [False, True])
def test_a_file_is_replaced_whole_or_not_at_all(several, tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    full = OSError(errno.ENOSPC, "No space left on device")
    refused = pytest.raises(InputError, match="a could not be written: No spac")
    with refused, replacing(path, several) as partial:
        partial.write_text("half")
        raise full
    assert [x.name for x in tmp_path.iterdir()] == ["a"]
    assert path.read_text() == "old"

    with replacing(path, several) as partial:
        partial.write_text("new")

    assert [x.name for x in tmp_path.iterdir()] == ["a"]
    assert path.read_text() == "new"


def test_what_a_killed_process_left_is_overwritten(tmp_path):
    left = tmp_path / ".partial-a"
    left.mkdir()
    (left / "half").touch()
    with replacing(tmp_path / "a") as partial:
        assert partial == left and not partial.exists()
        partial.write_text("whole")

    assert [x.name for x in tmp_path.iterdir()] == ["a"]


def test_several_at_once_have_a_place_each(tmp_path):
    path = tmp_path / "a"
    with replacing(path, True) as one, replacing(path, True) as two:
        one.write_text("one")
        two.write_text("two")

    assert [x.name for x in tmp_path.iterdir()] == ["a"]
    assert path.read_text() == "one"


def test_a_file_in_the_place_of_a_parent_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    refused = pytest.raises(InputError, match="a could not be written")
    with refused, replacing(tmp_path / "file" / "a"):
        pass


def test_of_several_none_makes_the_parent(tmp_path):
    path = tmp_path / "new" / "a"
    refused = pytest.raises(InputError, match="could not be written: No such")
    with refused, replacing(path, several=True) as partial:
        partial.write_text("lost")

    with replacing(path) as partial:
        partial.write_text("whole")
    assert path.read_text() == "whole"


def test_a_file_does_not_replace_a_folder(tmp_path):
    folder = tmp_path / "a.csv"
    folder.mkdir()
    (folder / "b").write_text("precious")
    with (
        pytest.raises(InputError, match="could not be written: Is a direct"),
        replacing(folder) as partial,
    ):
        partial.write_text("new")
    assert (folder / "b").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
