import numpy as np
import pytest

from tf_pseudolabel.lab.data import review
from tf_pseudolabel.lab.data.examples import Examples
from tf_pseudolabel.lab.data.splits import Split
from tf_pseudolabel.lab.errors import InputError

NAMES = ("cat", 'do,g "$"\n', "<b>\u2028", "\udcff3")


def _examples(inputs, first, labels):
    rows = np.arange(first, first + len(labels))
    ids = np.array([f"r/{row}" for row in rows])
    return Examples(inputs, np.array(labels), ids, rows)


def _split():
    from tf_pseudolabel.lab.data.inputs import Held

    inputs = Held(np.arange(12, dtype=np.float32)[:, None])
    return Split(
        labeled=_examples(inputs, 0, [0, 1, 2]),
        unlabeled=_examples(inputs, 3, [-1, -1, 0, 1]),
        validation=_examples(inputs, 7, [0, 1]),
        test=_examples(inputs, 9, [0, 1, 2]),
    )


def _written(path, text):
    file = path / "mine.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def test_what_is_written_is_read(tmp_path):
    rows = [
        {"id": f"a,{n}\n", "label": name, "why": ""}
        for n, name in enumerate(NAMES)
    ]
    rows.append({"id": "unsure", "label": "", "why": "least sure"})
    file = tmp_path / "review.csv"
    review.write(file, rows, ("id", "label", "why"))
    assert review.read(file, NAMES) == {f"a,{n}\n": n for n in range(4)}


def test_as_spreadsheets_write_it(tmp_path):
    """With a mark of byte order, other line ends, columns in another order."""
    text = "\ufefflabel,said,id\r\ncat,0.4,r/3\r\n,0.3,r/4\r\ncat,0.4,r/3\r\n"
    assert review.read(_written(tmp_path, text), NAMES) == {"r/3": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id;label\n1;cat\n", "the columns id and label; got the columns"),
        ("", "the columns None"),
        (b"id,label\n1,\xff\n", "udcff"),
        ('id,label\n1,"cat\n', "unexpected end of data"),
        ("id,label\n1,bird\n", "line 2: a label is empty or one of cat"),
        ("id,label\n1,cat\n1,<b>\u2028\n", "line 3: a row has one label"),
    ],
)
def test_files_that_are_none(text, message, tmp_path):
    with pytest.raises(InputError, match=message):
        review.read(_written(tmp_path, text), NAMES)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        review.read(tmp_path / "none.csv", NAMES)


def test_rows_get_their_labels():
    split = _split()
    found, line = review.corrected(
        split, {"r/1": 3, "r/2": 2, "r/4": 3, "r/6": 0}
    )
    assert found.labeled.ids.tolist() == ["r/0", "r/1", "r/2", "r/4", "r/6"]
    assert found.labeled.labels.tolist() == [0, 3, 2, 3, 0]
    assert found.labeled.read()[:, 0].tolist() == [0, 1, 2, 4, 6]
    assert found.labeled.inputs is split.labeled.inputs  # Nothing is copied.
    assert found.unlabeled.ids.tolist() == ["r/3", "r/5"]
    assert found.unlabeled.labels.tolist() == [-1, 0]
    assert found.test is split.test
    assert split.labeled.labels.tolist() == [0, 1, 2]
    assert line == (
        "Labels by people: 2 of unlabeled rows, 1 that replace given ones, "
        "1 that confirm given ones."
    )


def test_without_a_correction_all_stays():
    split = _split()
    found, _ = review.corrected(split, {})
    assert found.ids() == split.ids()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"r/9": 0, "r/1": 0}, "got r/9 .1 such ids., which is a valid"),
        ({"other": 0}, "the id other .1 such ids., which is none"),
        ({f"r/{n}": 0 for n in range(3, 7)}, "labels for all 4"),
    ],
)
def test_rows_that_get_none(labels, message):
    with pytest.raises(InputError, match=message):
        review.corrected(_split(), labels)
