import errno
import pathlib

import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving.labelling import shards


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    full = OSError(errno.ENOSPC, "No space left on device")
    refused = pytest.raises(InputError, match="a could not be written: No spac")
    with refused, shards.replacing(path) as partial:
        pathlib.Path(partial).write_text("half")
        raise full
    assert [x.name for x in tmp_path.iterdir()] == ["a"]
    assert path.read_text() == "old"

    with shards.replacing(path) as partial:
        pathlib.Path(partial).write_text("new")

    assert [x.name for x in tmp_path.iterdir()] == ["a"]
    assert path.read_text() == "new"
