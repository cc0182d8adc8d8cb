import csv

import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving import review

NAMES = ('a, "b"\n\t', "$x <i>", "日本")


def test_names_of_all_kinds(tmp_path):
    path = tmp_path / "r.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        rows = csv.writer(file)
        rows.writerow(["note", "id", "label"])
        rows.writerows(("", f"{x}, \n.png", x) for x in NAMES)
        rows.writerow(["again", f"{NAMES[0]}, \n.png", NAMES[0]])

    assert review.read(path, NAMES) == {f"{x}, \n.png": x for x in NAMES}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"id,class\n1,p\n", "got none called label in .*r.csv"),
        (b"", "got none called id, label"),
        (b"id,label\n1,p\n2,z\n", 'names of classes, p, q; got "z" in line 3'),
        (b"id,label\n1\n", 'got "None" in line 2'),
        (b"id,label\n1,p\n1,q\n", "got two for 1, the second in line 3"),
        (b"id,label\n\xff,p\n", "must be CSV in UTF-8; got: .*decode"),
        (None, "got: No such file"),
    ],
)
def test_what_cannot_be_meant(text, message, tmp_path):
    if text is not None:
        (tmp_path / "r.csv").write_bytes(text)
    with pytest.raises(InputError, match=message):
        review.read(tmp_path / "r.csv", ("p", "q"))
