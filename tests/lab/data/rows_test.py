import numpy as np
import pandas as pd
import pytest

from tf_pseudolabel.lab.data import rows
from tf_pseudolabel.lab.errors import InputError

TRAIN = "x,y,z\n1,b,u\n2,a,u\n3,,v\n4,b,v\n5,a,v\n"


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    paths = {name: folder / f"{name}.csv" for name in files}
    for name, content in files.items():
        paths[name].write_text(content)
    return paths


def read(folder, **files):
    return rows.of_files(write(folder, **files), "y")


def frame(found):
    return pd.concat(found.chunks())


def test_rows_of_one_file(tmp_path):
    found = read(tmp_path, labeled=TRAIN)
    assert found.names == ("x", "z")
    assert frame(found).to_dict("list") == {
        "x": ["1", "2", "3", "4", "5"],
        "z": ["u", "u", "v", "v", "v"],
    }
    assert found.class_names == ("a", "b")
    np.testing.assert_array_equal(found.labels, [1, 0, -1, 1, 0])
    assert found.ids.tolist() == [f"labeled.csv:{i}" for i in range(5)]
    assert {k: x.tolist() for k, x in found.sets.items()} == {
        "labeled": [0, 1, 3, 4],
        "unlabeled": [2],
    }
    assert found.training().all()


def test_rows_of_several_files(tmp_path):
    """Columns are those of the first; the last one's labels are optional."""
    found = read(
        tmp_path,
        labeled=TRAIN,
        test="z,y,x,w\nu,b,6,!\n",
        validation="x,y,z\n7,a,u\n",
        unlabeled="z,x\nu,8\nv,9\n",
    )
    assert frame(found)["x"].tolist() == [str(x) for x in range(1, 10)]
    assert {k: x.tolist() for k, x in found.sets.items()} == {
        "labeled": [0, 1, 3, 4],
        "test": [5],
        "validation": [6],
        "unlabeled": [2, 7, 8],
    }
    np.testing.assert_array_equal(found.labels[5:], [1, 0, -1, -1])
    np.testing.assert_array_equal(np.flatnonzero(~found.training()), [5, 6])
    (note,) = found.notes
    assert note == f"Columns of {tmp_path}/test.csv alone, left out: w."


def test_known_labels_of_unlabeled_rows_are_kept_for_measuring(tmp_path):
    found = read(tmp_path, labeled=TRAIN, unlabeled="x,y,z\n6,b,u\n7,other,u\n")
    assert found.labels[5:].tolist() == [1, -1]


def test_ids_tell_files_of_one_name_apart(tmp_path):
    paths = {
        "labeled": write(tmp_path / "a", data=TRAIN)["data"],
        "test": write(tmp_path / "b", data="x,y\n1,a\n")["data"],
    }
    columns = {"text_column": "x"}
    found = rows.of_files(paths | {"validation": None}, "y", columns)
    assert found.ids[[0, 5]].tolist() == ["a/data.csv:0", "b/data.csv:0"]
    assert list(frame(found)) == ["x"]


def test_minus_one_is_a_class_and_that_is_said(tmp_path):
    found = read(tmp_path, labeled="x,y\n1,-1\n2,-1\n3,0\n4,1\n")
    assert found.class_names == ("-1", "0", "1")
    assert "Label -1 is a class here" in found.notes[0]
    assert not read(tmp_path, labeled="x,y\n1,-1\n2,-1\n3,1\n").notes


@pytest.mark.parametrize("name", ["NA", "None", "n/a"])
def test_what_may_say_unknown_is_a_class_and_that_is_said(name, tmp_path):
    found = read(tmp_path, labeled=f"x,y\n1,{name}\n2,{name}\n3,b\n4,b\n")
    assert name in found.class_names
    assert f"Label {name} is a class here; where a la" in found.notes[0]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"labeled": "x,z\n1,2\n"}, '--label_column must be .* got "y"'),
        ({"labeled": TRAIN, "test": "x,z\n1,2\n"}, r"of .*/test\.csv, which"),
        (
            {"labeled": TRAIN, "test": "x,y\n1,a\n"},
            r"test\.csv must have the columns of .*got none called z",
        ),
        (
            {"labeled": TRAIN, "test": "x,y,z\n1,a,u\n1,c,u\n"},
            r'test\.csv must be a class .* got "c" in 1 rows.* row 1',
        ),
        (
            {"labeled": TRAIN, "validation": "x,y,z\n1,,u\n"},
            r"got empty in 1 rows",
        ),
    ],
)
def test_files_that_do_not_fit(files, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read(tmp_path, **files)


def test_one_file_is_not_two_sets(tmp_path):
    paths = write(tmp_path, labeled=TRAIN)
    (tmp_path / "link.csv").symlink_to("labeled.csv")
    paths["test"] = tmp_path / "link.csv"
    with pytest.raises(InputError, match="--data_file and --test_file must"):
        rows.of_files(paths, "y")


def test_nothing_but_copies(tmp_path):
    found = read(tmp_path, labeled=TRAIN, test="x,y,z\n1,a,u\n4,a,v\n6,a,u\n")
    keys = frame(found)["x"].to_numpy(str)
    with pytest.raises(InputError, match=r'got none but .* class "b"'):
        found.data(np.zeros((8, 1), np.float32), keys, _Kind())


class _Kind:
    name = "rows"
