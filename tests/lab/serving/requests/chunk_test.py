import os

import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving.requests import chunk


def test_a_key_is_of_what_is_read_and_how(tmp_path):
    path = tmp_path / "a"
    path.write_text("one")
    os.utime(path, ns=(1, 1))
    first = chunk.key_of([str(path)], "how")

    assert chunk.key_of([str(path)], "how") == first
    assert chunk.key_of([str(path)], "otherwise") != first
    assert chunk.key_of([str(path)] * 2, "how") != first
    os.utime(path, ns=(1, 2))
    assert chunk.key_of([str(path)], "how") != first


def test_a_file_that_is_gone_has_a_key_too(tmp_path):
    path = str(tmp_path / "gone")

    assert chunk.key_of([path]) == chunk.key_of([path])


def test_names_hold_in_a_line():
    assert chunk.name_of("a\nb\\c") == r"a\nb\\c"


def test_what_cannot_be_read_is_one_line(tmp_path):
    chunk.check_readable(__file__)
    with pytest.raises(InputError, match=r"got .*gone \(No such file"):
        chunk.check_readable(tmp_path / "gone")
