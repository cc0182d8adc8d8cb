import csv
import json
import math

import pytest

from tf_pseudolabel import run_directory
from tf_pseudolabel.errors import InputError
from tf_pseudolabel.run_directory import HISTORY_COLUMNS, RunDirectory


def test_json_round_trip(tmp_path):
    content = {"arm": {"error": 1.25, "names": ["ä", "b"], "none": None}}
    RunDirectory(tmp_path).write_json("metrics.json", content)
    assert RunDirectory(tmp_path).read_json("metrics.json") == content
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_nan_becomes_null_so_that_any_reader_can_read_it(tmp_path):
    RunDirectory(tmp_path).write_json("a.json", {"x": [math.nan, (1.0,)]})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"x": [None, [1.0]]}


def test_writing_again_replaces(tmp_path):
    run = RunDirectory(tmp_path)
    run.write_json("a.json", {"long": "x" * 1000})
    run.write_json("a.json", {})
    assert run.read_json("a.json") == {}


def test_what_fails_half_way_leaves_the_old_file(tmp_path):
    run = RunDirectory(tmp_path)
    run.write_json("a.json", {"old": 1})
    with pytest.raises(KeyError), run.replacing("a.json") as partial:
        partial.write_text("half")
        raise KeyError
    assert run.read_json("a.json") == {"old": 1}


def test_partial_lies_beside_its_place_with_the_same_suffix(tmp_path):
    with RunDirectory(tmp_path).replacing("deep/er/m.keras") as partial:
        assert partial.parent == tmp_path / "deep" / "er"
        assert partial.suffix == ".keras"
        assert partial.name != "m.keras"
        partial.write_text("whole")
    assert (tmp_path / "deep/er/m.keras").read_text() == "whole"
    assert not partial.exists()


def test_directories_are_renamed_too(tmp_path):
    with RunDirectory(tmp_path).replacing("saved_model") as partial:
        partial.mkdir()
        (partial / "a").touch()
    assert (tmp_path / "saved_model" / "a").exists()
    assert not partial.exists()


def test_history(tmp_path):
    RunDirectory(tmp_path).write_history(
        [
            {"arm": "supervised", "epoch": 0, "alpha": 0.0, "loss": 2.5},
            {"arm": "pseudo_label", "epoch": 1, "loss": math.nan, "lr": 0.1},
        ]
    )
    with (tmp_path / "history.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == HISTORY_COLUMNS
    assert rows == [
        ["supervised", "0", "0.0", "2.5", *[""] * 6],
        ["pseudo_label", "1", *[""] * 8],
    ]


@pytest.mark.parametrize("content", [b"{half", b"", b"\xff\xfe{}"])
def test_broken_json(content, tmp_path):
    (tmp_path / "metrics.json").write_bytes(content)
    with pytest.raises(
        InputError, match=r"metrics\.json must be JSON; got: .*bin/train"
    ):
        RunDirectory(tmp_path).read_json("metrics.json")


def test_missing_json(tmp_path):
    with pytest.raises(
        InputError, match=r"holds metrics\.json.*No such file.*bin/train"
    ):
        RunDirectory(tmp_path / "none").read_json("metrics.json")


def test_a_file_is_no_run_directory(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"Not a directory"):
        RunDirectory(tmp_path / "file").read_json("metrics.json")


def test_create_makes_parents_and_keeps_what_is_written(tmp_path):
    path = tmp_path / "runs" / "today"
    with run_directory.create(path) as run:
        assert list(path.iterdir()) == []
        run.write_json("a.json", {})
    assert [file.name for file in path.iterdir()] == ["a.json"]


def test_what_stays_empty_is_removed_with_the_parents_made_for_it(tmp_path):
    with pytest.raises(KeyError), run_directory.create(tmp_path / "a/b/c"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_users_own_empty_directory_stays(tmp_path):
    with pytest.raises(KeyError), run_directory.create(tmp_path):
        raise KeyError
    assert tmp_path.is_dir()


def test_a_parent_in_use_stays(tmp_path):
    with pytest.raises(KeyError), run_directory.create(tmp_path / "a/b"):
        (tmp_path / "a" / "other").touch()
        raise KeyError
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["other"]


def test_another_run_is_not_overwritten(tmp_path):
    (tmp_path / "recipe.json").write_text("theirs")
    with (
        pytest.raises(InputError, match=rf"new or empty.*{tmp_path}.*another"),
        run_directory.create(tmp_path),
    ):
        pytest.fail("entered")
    assert (tmp_path / "recipe.json").read_text() == "theirs"


@pytest.mark.parametrize("inside", ["", "run"])
def test_a_file_in_the_way(inside, tmp_path):
    (tmp_path / "file").write_text("theirs")
    with (
        pytest.raises(InputError, match=r"can be written to; got .*file"),
        run_directory.create(tmp_path / "file" / inside),
    ):
        pytest.fail("entered")
    assert (tmp_path / "file").read_text() == "theirs"
