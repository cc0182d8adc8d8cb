import tempfile

import numpy as np
import pytest

from tf_pseudolabel.lab.data import inputs, stored
from tf_pseudolabel.lab.errors import InputError


def test_texts_are_read_from_where_they_lie():
    texts = stored.Texts(iter([["é\n", ""], [], ["a\0"]]))
    assert len(texts) == 3
    assert not texts.portable
    found = inputs.read(texts, np.array([2, 0, 0, 1]))
    expected = [b"a\0", "é\n".encode(), "é\n".encode(), b""]
    assert found.tolist() == expected
    assert inputs.read(texts, np.zeros(0, int)).shape == (0,)


def test_no_room_for_texts_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(InputError, match=r"written to .*missing; got No such"):
        stored.Texts(iter([["a"]]))
