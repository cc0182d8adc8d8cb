import json
import os

import pytest

from tf_pseudolabel.lab.data import files
from tf_pseudolabel.lab.errors import InputError

PNG = (".png",)


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_files_of_a_kind_are_found_at_any_depth_and_sorted(tmp_path):
    for name in ("b.png", "a/z/c.PNG", "a/a.png"):
        touch(tmp_path / name)
    found = files.find(tmp_path, PNG)
    assert found.files.names.tolist() == ["a/a.png", "a/z/c.PNG", "b.png"]
    assert found.files.paths[2] == str(tmp_path / "b.png")
    assert found.unreadable == found.notes == []


def test_other_kinds_are_counted_by_suffix(tmp_path):
    for name in ("a.png", "b.heic", "c.HEIC", "d.txt", "e", ".hidden.txt"):
        touch(tmp_path / name)
    (note,) = files.find(tmp_path, PNG).notes
    assert note == (
        f"Left out of {tmp_path}: .heic (2), .txt (1), "
        "files without suffix (1)."
    )


def test_a_link_to_a_folder_above_ends(tmp_path):
    touch(tmp_path / "a" / "x.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(".")
    found = files.find(tmp_path, PNG)
    assert found.files.names.tolist() == ["a/x.png"]
    assert "links to folders that were read already (2)" in found.notes[0]


def test_folders_that_link_to_each_other_end(tmp_path):
    for name in "abcdefgh":
        touch(tmp_path / name / "x.png")
        for other in "abcdefgh":
            (tmp_path / name / f"to_{other}").symlink_to(tmp_path / other)
    found = files.find(tmp_path, PNG)
    assert found.files.names.tolist() == [
        f"{name}/x.png" for name in "abcdefgh"
    ]


def test_links_to_folders_and_files_elsewhere_are_followed(tmp_path):
    touch(tmp_path / "far" / "deep" / "x.png")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "cat").symlink_to(tmp_path / "far")
    (tmp_path / "root" / "y.png").symlink_to(tmp_path / "far/deep/x.png")
    found = files.find(tmp_path / "root", PNG)
    assert found.files.names.tolist() == ["cat/deep/x.png", "y.png"]
    assert found.notes == []


def test_what_cannot_be_a_file_is_named(tmp_path):
    touch(tmp_path / "a.png")
    (tmp_path / "gone.png").symlink_to("nowhere")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "gone").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.png")
    found = files.find(tmp_path, PNG)
    assert found.files.names.tolist() == ["a.png"]
    assert found.unreadable == [
        f"{tmp_path}/gone.png (No such file or directory)",
        f"{tmp_path}/loop.png (Too many levels of symbolic links)",
        f"{tmp_path}/pipe.png (not a file)",
    ]
    assert found.notes == [
        f"Left out of {tmp_path}: links that lead nowhere (1)."
    ]


def test_names_of_any_bytes_differ_and_are_one_line(tmp_path):
    names = {
        b"\xff": r"\xff",
        b"\\xff": r"\\xff",
        b"\xc3\xa9 1": "\xe9 1",
        b"\xe9": r"\xe9",
        b"\x80": r"\x80",
        b"\xc2\x80": r"\u0080",
        b"\n": r"\n",
        b"\\n": r"\\n",
        b"\xe2\x80\xa8": r"\u2028",
        "\U0001f469\u200d\U0001f52c".encode(): "\U0001f469\u200d\U0001f52c",
    }
    for name in names:
        touch(tmp_path / os.fsdecode(name + b".png"))
    found = files.find(tmp_path, PNG).files.names.tolist()
    assert sorted(found) == sorted(f"{name}.png" for name in names.values())
    text = json.dumps(found, ensure_ascii=False).encode("utf-8")
    assert json.loads(text) == found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Übung/é 1.png", "Übung/é 1.png"),
        ("a\nb\x1b[31m", r"a\nb\x1b[31m"),
        (os.fsdecode(b"caf\xe9"), r"caf\xe9"),
        (r"a\b", r"a\b"),
    ],
)
def test_names_are_shown_in_one_line(name, text):
    assert files.shown(name) == text
    text.encode("utf-8")


def test_long_lists_are_cut_and_counted():
    assert files.listed(["a", "b"]) == "a, b"
    names = [str(i) for i in range(23)]
    assert files.listed(names) == ", ".join(names[:20]) + " and 3 more"


def test_folders_must_lie_apart(tmp_path):
    (tmp_path / "a" / "in").mkdir(parents=True)
    (tmp_path / "ab").mkdir()
    (tmp_path / "link").symlink_to("a")
    files.check_apart({"x_dir": tmp_path / "a", "y_dir": tmp_path / "ab"})
    for other in ("a", "a/in", "link", "."):
        with pytest.raises(InputError, match="x_dir and y_dir must not share"):
            files.check_apart(
                {"x_dir": tmp_path / "a", "y_dir": tmp_path / other}
            )
