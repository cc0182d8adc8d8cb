import types

import pytest
import tensorflow as tf

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving import requests
from tf_pseudolabel.lab.serving.requests import Options

MODEL = types.SimpleNamespace(
    inputs={"text": tf.TensorSpec((None,), tf.string)}, about=None
)


def test_files_of_a_folder(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "one.txt").write_text("\ufeffgrüß", encoding="utf-8")
    (tmp_path / "two").write_text("zwei\n")
    (tmp_path / "bad.txt").write_bytes(b"\xff")
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "picture.png").write_text("not looked at")

    chunks = list(requests.chunks(MODEL, [str(tmp_path)], Options()))
    (rows,) = chunks[0].read()

    found = dict(zip(rows.ids, rows.inputs["text"], strict=True))
    assert found == {
        f"{tmp_path}/two": "zwei\n",
        f"{tmp_path}/b/one.txt": "grüß",
    }
    assert {(x.id.rpartition("/")[2], x.reason) for x in rows.bad} == {
        ("bad.txt", "not UTF-8"),
        ("empty.txt", "empty"),
    }


def test_a_file_that_is_named_is_read_whatever_its_suffix(tmp_path):
    (tmp_path / "a.md").write_text("text")

    (chunk,) = requests.chunks(MODEL, [str(tmp_path / "a.md")], Options())

    assert [x.ids for x in chunk.read()] == [[f"{tmp_path}/a.md"]]


def test_numbers_have_no_folders(tmp_path):
    model = types.SimpleNamespace(
        inputs={"x": tf.TensorSpec((None, 2), tf.float32)}, about=None
    )

    with pytest.raises(InputError, match="for a model of columns or numbers"):
        list(requests.chunks(model, [str(tmp_path)], Options()))
