import pandas as pd
import pytest

from tf_pseudolabel.lab.data import frames
from tf_pseudolabel.lab.errors import InputError

# Commas, quotes and line breaks in cells; one empty cell, one empty line.
CSV = 'text,n\n"a, ""b""\nc",1\n\n é ,\n'
ROWS = {"text": ['a, "b"\nc', "é "], "n": ["1", ""]}


def write(path, content):
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    return path


def read(path):
    parts = list(frames.File("data_file", path).chunks())
    return pd.concat(parts).to_dict("list")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_that_of_the_header(separator, tmp_path):
    content = "a;b,c|d\te".replace(separator, "") + "\n"
    content = (
        separator.join("xyz") + "\n" + separator.join(["1", "2,3", '"|;"'])
    )
    if separator == ",":
        content = content.replace("2,3", '"2,3"')
    found = read(write(tmp_path / "a.csv", content))
    assert found == {"x": ["1"], "y": ["2,3"], "z": ["|;"]}


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_cells_stay_as_they_are(start, end, tmp_path):
    file = tmp_path / "a.CSV"
    with file.open("w", newline="", encoding="utf-8") as stream:
        stream.write(start + CSV.replace("\n", end))
    found = read(file)
    assert found == ROWS | {
        "text": [x.replace("\n", end) for x in ROWS["text"]]
    }


def test_nothing_is_taken_for_a_number_or_for_missing(tmp_path):
    found = read(write(tmp_path / "a.csv", "a,b\n007,NA\n1.0,None\n"))
    assert found == {"a": ["007", "1.0"], "b": ["NA", "None"]}


def test_tsv_by_its_suffix(tmp_path):
    found = read(write(tmp_path / "a.tsv", "a,b,c,d\te\n1,2\t3\n"))
    assert found == {"a,b,c,d": ["1,2"], "e": ["3"]}


def test_json_lines(tmp_path):
    content = '{"t": "a\\nb", "n": 1, "x": true}\n\n{"t": null, "x": 0.5}\n'
    found = read(write(tmp_path / "a.jsonl", content))
    assert found == {"t": ["a\nb", ""], "n": ["1", ""], "x": ["True", "0.5"]}


def test_parquet(tmp_path):
    columns = {
        "i": [1, 2],
        "f": [0.1, None],
        "b": [True, None],
        "s": ["x, y", None],
        "d": pd.to_datetime(["2024-05-01", None]),
        "c": pd.Categorical(["u", "v"]),
    }
    # An index that is no column.
    pd.DataFrame(columns, index=[5, 7]).to_parquet(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == {
        "i": ["1", "2"],
        "f": ["0.1", ""],
        "b": ["True", ""],
        "s": ["x, y", ""],
        "d": ["2024-05-01", ""],
        "c": ["u", "v"],
    }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", "", r"--data_file must end in .csv, .*got .*a\.xlsx"),
        ("a.csv", "", r"at least one row .*got 0"),
        ("a.csv", "a,b\n", r"at least one row .*got 0"),
        ("a.csv", b"a\nb\n\xe9\n", r"a\.csv must be UTF-8; .* line 3"),
        ("a.csv", "a,b".encode("utf-16"), r"must be UTF-8; .* line 1"),
        ("a.csv", "a,b\n1,2\n1,2,3\n", r"3 in line 3|in line 3, saw 3"),
        ("a.csv", "a,b\n1,2,3\n1,2,3\n", r"columns of its header; got"),
        ("a.csv", 'a,b\n1,"2\n3,4\n', r"got: EOF inside string .*row 1"),
        ("a.csv", ",a\n0,2\n", r"must have names; got none for column 1, as"),
        ("a.csv", "a, \n0,2\n", r"none for column 2, .*to_csv\(index=False"),
        ("a.csv", "a,a\n1,2\n", r"names of their own; got a several times"),
        ("a.jsonl", '{"a": 1}\n{"a": \n', r"got Expecting value.* in line 2"),
        ("a.jsonl", "[1]\n", r"a JSON object; got \[1\] in line 1"),
        ("a.jsonl", '{"a": 1}\n{"a": [1]}', r'got list in column "a" .*row 1'),
        (
            "a.parquet",
            "a,b\n",
            r"must be a Parquet file; got: .*write it again",
        ),
    ],
)
def test_what_cannot_be_read(name, content, message, tmp_path):
    with pytest.raises(InputError, match=message) as error:
        read(write(tmp_path / name, content))
    assert "\n" not in str(error.value)


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(InputError, match=r"got .*/a\.csv \(No such file"):
        read(tmp_path / "a.csv")
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(InputError, match=r"got .*/b\.csv \(Is a directory"):
        read(tmp_path / "b.csv")


def test_a_column_that_is_missing():
    frame = pd.DataFrame({"income-per-year": ["a"], "age": ["1"]})
    frames.check_column(frame, "label_column", "age", "x.csv")
    with pytest.raises(
        InputError,
        match=r"--label_column must be .*x\.csv, which has income-per-year, "
        r'age; got "income_per_year"; did you mean "income-per-year"\?',
    ):
        frames.check_column(frame, "label_column", "income_per_year", "x.csv")
    with pytest.raises(InputError, match='got "zzz"; name one of these'):
        frames.check_column(frame, "label_column", "zzz", "x.csv")
