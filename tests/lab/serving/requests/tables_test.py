import pickle
import types

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.data import table
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving import requests
from tf_pseudolabel.lab.serving.about import About, Column
from tf_pseudolabel.lab.serving.requests import Options, lines, tables

COLUMNS = (
    Column("a size", "a_size", "numbers"),
    Column("day", "day", "dates"),
    Column("word", "word", "categories"),
)
MODEL = types.SimpleNamespace(
    inputs={
        "a_size": tf.TensorSpec((None,), tf.float32),
        "day": tf.TensorSpec((None,), tf.float32),
        "word": tf.TensorSpec((None,), tf.string),
    },
    about=About(("p", "q"), "rows", COLUMNS),
)
TEXTS = types.SimpleNamespace(
    inputs={"text": tf.TensorSpec((None,), tf.string)},
    about=About(("p", "q"), "texts", (Column("said", "text", "texts"),)),
)
CSV = """\ufeff"a size",word,day,other
1.5,"x, ""y""
z",2020-01-02,0
?,?,,0

-2e3, k ,1970-01-01,0
"""


def _read(path, model=MODEL, **options):
    chunks = requests.chunks(model, [str(path)], Options(**options))
    # As it travels to another process.
    chunks = pickle.loads(pickle.dumps(list(chunks)))
    return chunks, [rows for chunk in chunks for rows in chunk.read()]


def _file(tmp_path, text, name="t.csv"):
    (tmp_path / name).write_bytes(
        text if isinstance(text, bytes) else text.encode()
    )
    return tmp_path / name


def test_cells_are_what_training_sees(tmp_path):
    path = _file(tmp_path, CSV)

    (chunk,), (rows,) = _read(path)

    assert rows.ids == [f"{path}:{row}" for row in range(3)] and not rows.bad
    assert chunk.size == 3
    np.testing.assert_array_equal(rows.inputs["a_size"], [1.5, np.nan, -2000])
    np.testing.assert_array_equal(rows.inputs["day"], [18263, np.nan, 0])
    assert list(rows.inputs["word"]) == ['x, "y"\nz', "?", "k "]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_kind_of_file_gives_the_rows_of_training(tmp_path, suffix):
    frame = pd.DataFrame(
        {
            "size": [1.5, 2.0, None, 0.25] * 3,
            "whole": [3, 1, 4, 1] * 3,
            "word": ["a", "b\tc", "ü", ""] * 3,
            "class": ["p", "q", "p", ""] * 3,
        }
    )
    path = tmp_path / f"t{suffix}"
    {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        ".parquet": lambda: frame.to_parquet(path, row_group_size=5),
    }[suffix]()
    data = table.load(str(path), "class")
    kinds = {"size": "numbers", "whole": "numbers", "word": "categories"}
    model = types.SimpleNamespace(
        inputs=dict.fromkeys(kinds),
        about=About(
            ("p", "q"),
            "rows",
            tuple(Column(name, name, holds) for name, holds in kinds.items()),
        ),
    )

    _, found = _read(path, model)

    rows = [int(x.rpartition(":")[2]) for part in found for x in part.ids]
    assert rows == list(range(12))
    inputs = {k: np.concatenate([x.inputs[k] for x in found]) for k in kinds}
    held = data.train.inputs.batch(tf.constant(rows, tf.int64))
    for name in ("size", "whole"):
        np.testing.assert_array_equal(inputs[name], held[name])
    words = [word.decode() for word in held["word"].numpy()]
    assert list(inputs["word"]) == words


def test_rows_that_do_not_fit_are_set_aside(tmp_path):
    text = b"a size,day,word,name\n1,,x,r\n2,,x\nabc,,x,s\n3,someday,x,t\n"
    text += b"4,,\xff,u\n1e99,,x,v\n5,2020-01-01,x,w\n"
    path = _file(tmp_path, text)

    _, (rows,) = _read(path, id_column="name")

    assert rows.ids == ["r", "w"]
    np.testing.assert_array_equal(rows.inputs["a_size"], [1, 5])
    assert {(x.id.removeprefix(f"{path}:"), x.reason) for x in rows.bad} == {
        ("1", "3 cells, where the header has 4"),
        ("s", 'a size must hold numbers; got "abc"'),
        ("t", 'day must hold dates; got "someday"'),
        ("4", "not UTF-8"),
        ("v", 'a size must hold numbers; got "1e99"'),
    }


def test_a_quote_that_is_not_closed_is_said(tmp_path):
    path = _file(tmp_path, 'a size,day,word\n1,,"x\n2,,y\n3,,z\n')

    _, (rows,) = _read(path)

    # As every reader of CSV files has it: the text goes on to the end.
    assert rows.ids == [f"{path}:0"] and not rows.bad
    path = _file(tmp_path, 'a size,day,word\n1,"x\n2,,y\n3,,z\n')
    (bad,) = _read(path)[1][0].bad
    assert bad.reason == (
        "2 cells, where the header has 3; a quote joins it with 3 further lines"
    )


def test_lines_of_json(tmp_path):
    text = '{"a size": 1, "day": null, "word": true}\n\n{"a size": 2}\n[1]\n{\n'
    text += '{"a size": [1], "day": "", "word": ""}\n'
    path = _file(tmp_path, text, "t.jsonl")

    _, (rows,) = _read(path)

    assert list(rows.inputs["word"]) == ["True"] and len(rows.ids) == 1
    reasons = [x.reason.partition(":")[0] for x in rows.bad]
    assert reasons == [
        "it has no day, word",
        "not a JSON object",
        "not JSON",
        "a size holds several values",
    ]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_chunks_are_the_rows_of_the_file(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(lines, "MOST_ROWS", 3)
    monkeypatch.setattr(tables, "MOST_ROWS", 3)
    monkeypatch.setattr(tables, "AT_ONCE", 2)
    frame = pd.DataFrame(
        {"said": [f'{i}\n"{i}"' for i in range(11)], "name": range(11)}
    )
    path = tmp_path / f"t{suffix}"
    {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        ".parquet": lambda: frame.to_parquet(path, row_group_size=4),
    }[suffix]()

    chunks, rows = _read(path, TEXTS, id_column="name")

    assert sum(x.size for x in chunks) == 11 and len(chunks) > 3
    assert len({x.key for x in chunks}) == len(chunks)
    texts = [text for x in rows for text in x.inputs["text"]]
    assert texts == frame["said"].tolist()
    assert [name for x in rows for name in x.ids] == [str(x) for x in range(11)]


def test_texts(tmp_path):
    path = _file(tmp_path, "said,x\nhello,1\n  ,2\n")

    _, (rows,) = _read(path, TEXTS)
    (bad,) = rows.bad
    other = types.SimpleNamespace(inputs=TEXTS.inputs, about=None)
    _, (named,) = _read(path, other, text_column="x")

    assert list(rows.inputs["text"]) == ["hello"]
    assert bad == (f"{path}:1", "said is empty")
    assert list(named.inputs["text"]) == ["1", "2"]
    with pytest.raises(InputError, match="--text_column must name the column"):
        _read(path, other)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "t.csv",
            "a size,word\n1,x\n",
            "got none called day, but a size, word",
        ),
        ("t.csv", "", "must have names of their own; got none"),
        ("t.csv", "a,a\n", "got a twice"),
        ("t.csv", "a size,word,day\n1,x\ry,1\n", "must end in a line feed"),
        ("t.parquet", "no", "must be a Parquet file"),
        ("gone.csv", None, r"can be read; got .*gone\.csv \(No such file"),
    ],
)
def test_files_that_do_not_fit_are_one_line(tmp_path, name, text, message):
    path = tmp_path / name if text is None else _file(tmp_path, text, name)

    with pytest.raises(InputError, match=message) as raised:
        _read(path)
    assert "\n" not in str(raised.value)
