import os

import numpy as np
import pandas as pd
import pytest

from tf_pseudolabel.lab.data import text_folders
from tf_pseudolabel.lab.errors import InputError


def write(root, **texts):
    for name, content in texts.items():
        path = root / name.replace("__", "/").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
    return root


@pytest.fixture
def labeled(tmp_path):
    return write(
        tmp_path / "labeled",
        b__1_txt="one\r\ntwo",
        b__2_txt="\ufefftwo",
        a__deep__3="three",
        a__4="é",
        a__notes="five",
    )


def test_texts_of_folders(labeled, tmp_path):
    write(labeled, a__x="").joinpath("a", "x").rename(labeled / "a" / "x.json")
    found = text_folders.read(
        {
            "labeled": labeled,
            "unlabeled": write(tmp_path / "more", loose="l", b__x_txt="m"),
            "validation": None,
            "test": write(tmp_path / "test", a__1="t"),
        }
    )
    assert found.class_names == ("a", "b")
    texts = pd.concat(found.chunks())["text"]
    pairs = dict(zip(found.ids.tolist(), texts, strict=True))
    assert pairs == {
        "labeled/a/4": "é",
        "labeled/a/deep/3": "three",
        "labeled/a/notes": "five",
        "labeled/b/1.txt": "one\ntwo",
        "labeled/b/2.txt": "two",
        "unlabeled/b/x.txt": "m",
        "unlabeled/loose": "l",
        "test/a/1": "t",
    }
    np.testing.assert_array_equal(found.labels, [0, 0, 0, 1, 1, -1, -1, 0])
    assert found.notes == [f"Left out of {labeled}: .json (1)."]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"loose": "x"}, "in a class folder; got loose outside"),
        ({"c__1": "x"}, r'a class of the labeled rows; got "c" in 1 rows'),
        ({}, r"must hold texts .*got .*test without any"),
    ],
)
def test_folders_that_do_not_fit(texts, message, labeled, tmp_path):
    (tmp_path / "test").mkdir()
    test = write(tmp_path / "test", **texts)
    with pytest.raises(InputError, match=message):
        text_folders.read({"labeled": labeled, "test": test})


def test_classes_are_called_as_their_folders(tmp_path):
    for name in ("1", "1.0", "02", " sp"):
        (tmp_path / name).mkdir()
        for number in "12":
            (tmp_path / name / number).write_text(f"{name} {number}")

    found = text_folders.read({"labeled": tmp_path})

    assert sorted(found.class_names) == [" sp", "02", "1", "1.0"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"at least one text; got .*empty w"):
        text_folders.read({"labeled": tmp_path})


def test_texts_that_cannot_be_read_are_all_named(labeled):
    (labeled / "a" / "latin.txt").write_bytes(b"caf\xe9")
    (labeled / "b" / "gone.txt").symlink_to("nowhere")
    with pytest.raises(
        InputError,
        match=r"got 2 .*gone\.txt \(No such .*latin\.txt \(not UTF-8\)",
    ):
        list(text_folders.read({"labeled": labeled}).chunks())


def test_folders_lie_apart_and_exist(labeled):
    inside = {"labeled": labeled, "unlabeled": labeled / "a"}
    with pytest.raises(InputError, match="labeled_dir and unlabeled_dir must"):
        text_folders.read(inside)
    with pytest.raises(InputError, match="--labeled_dir must be a folder"):
        text_folders.read({"labeled": os.fspath(labeled) + "x"})
