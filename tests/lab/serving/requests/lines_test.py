import pytest

from tf_pseudolabel.lab.data import frames
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving.about import Column
from tf_pseudolabel.lab.serving.requests import lines, tables


def test_cuts_are_where_rows_end(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "MOST_ROWS", 2)
    path = tmp_path / "t.csv"
    text = '\ufeffa,b\n1,"x\ny"\n\n2,"""\n"\n3,z'
    path.write_text(text, encoding="utf-8")

    header, cuts = lines.cut_separated(path, ",")

    assert header == ["a", "b"]
    assert [(first, count) for _, _, first, count in cuts] == [(0, 2), (2, 1)]
    rows = [
        [
            row
            for row, is_blank in lines.separated(
                lines.lines_of(path, a, b), ","
            )
            if not is_blank
        ]
        for a, b, _, _ in cuts
    ]
    assert rows == [[["1", "x\ny"], ["2", '"\n']], [["3", "z"]]]


def test_lines_are_cut_without_blank_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "MOST_ROWS", 2)
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"{}\n\n{}\n  \n{}")

    cuts = lines.cut_lines(path)

    assert [(first, count) for _, _, first, count in cuts] == [(0, 2), (2, 1)]
    assert b"".join(lines.lines_of(path, *cuts[1][:2])).strip() == b"{}"


@pytest.mark.parametrize(
    ("name", "header", "separator"),
    [("t.csv", "a;b;c,d", ";"), ("t.tsv", "a,b", "\t"), ("t.csv", "a", ",")],
)
def test_separators(tmp_path, name, header, separator):
    assert lines.separator_of(tmp_path / name, header) == separator


@pytest.mark.parametrize(
    ("line", "blank"),
    [
        (b"\n", True),
        (b"  \r\n", True),
        (b'""\n', False),
        (b'" "\n', False),
        (b",\n", False),
    ],
)
def test_blank_lines(line, blank):
    ((_, found),) = lines.separated([line], ",")

    assert found == blank


def test_an_empty_cell_in_quotes_is_a_row(tmp_path):
    """As training counts it: else all rows behind it had other numbers."""
    path = tmp_path / "t.csv"
    path.write_text('text\nhello\n""\n\nworld\n', encoding="utf-8")

    (rows,) = (
        rows
        for chunk in tables.chunks(
            str(path), (Column("text", "text", "texts"),), None
        )
        for rows in chunk.read()
    )

    assert rows.ids == [f"{path}:0", f"{path}:2"]
    assert rows.bad == [(f"{path}:1", "text is empty")]
    (training,) = frames.File("data_file", path).chunks()
    assert training["text"].tolist() == ["hello", "", "world"]


def test_rows_of_json():
    row = lines.json_row(b'{"a": 1, "b": null, "c": "x", "d": 1.5, "e": NaN}')

    assert row == {"a": "1", "b": "", "c": "x", "d": "1.5", "e": ""}
    for content in (b"\xff", b"[]", b"{", b'{"a": {}}'):
        with pytest.raises(InputError):
            lines.json_row(content)


def test_headers_must_tell_columns_apart():
    lines.check_header("t.csv", ["a", "b"])
    with pytest.raises(InputError, match="got a twice"):
        lines.check_header("t.csv", ["a", "a"])
