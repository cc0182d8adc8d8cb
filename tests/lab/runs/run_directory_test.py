import csv
import json
import math
import os
import resource
import signal
import threading

import numpy as np
import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs import run_directory
from tf_pseudolabel.lab.runs.run_directory import HISTORY_COLUMNS, RunDirectory


def test_json_round_trip(tmp_path):
    content = {"arm": {"error": 1.25, "names": ["ä", "b"], "none": None}}
    RunDirectory(tmp_path).write_json("metrics.json", content)
    assert RunDirectory(tmp_path).read_json("metrics.json") == content
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_paths_of_any_bytes_survive_json(tmp_path):
    content = {"path": os.fsdecode(b"/caf\xe9/\xc3\xa4")}
    RunDirectory(tmp_path).write_json("recipe.json", content)
    assert RunDirectory(tmp_path).read_json("recipe.json") == content
    assert b"\xc3\xa4" in (tmp_path / "recipe.json").read_bytes()


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
        ["supervised", "0", "0.0", "2.5", *[""] * 14],
        ["pseudo_label", "1", *[""] * 16],
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


def test_opening_makes_parents_and_keeps_what_is_written(tmp_path):
    path = tmp_path / "runs" / "today"
    with run_directory.opened(path) as run:
        assert list(path.iterdir()) == []
        run.write_json("a.json", {})
    assert [file.name for file in path.iterdir()] == ["a.json"]


def test_what_stays_empty_is_removed_with_the_parents_made_for_it(tmp_path):
    with pytest.raises(KeyError), run_directory.opened(tmp_path / "a/b/c"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_users_own_empty_directory_stays(tmp_path):
    with pytest.raises(KeyError), run_directory.opened(tmp_path):
        raise KeyError
    assert tmp_path.is_dir()


def test_a_parent_in_use_stays(tmp_path):
    with pytest.raises(KeyError), run_directory.opened(tmp_path / "a/b"):
        (tmp_path / "a" / "other").touch()
        raise KeyError
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["other"]


def test_what_is_no_run_is_not_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("theirs")
    with (
        pytest.raises(InputError, match=rf"that of a run.*{tmp_path}.*another"),
        run_directory.opened(tmp_path),
    ):
        pytest.fail("entered")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_is_opened_again(tmp_path):
    with run_directory.opened(tmp_path / "run") as run:
        run.write_json("recipe.json", {"recipe": {}})
    with run_directory.opened(tmp_path / "run") as run:
        assert run.read_json("recipe.json") == {"recipe": {}}


def test_what_a_killed_process_left_behind_is_no_obstacle(tmp_path):
    (tmp_path / ".partial-recipe.json").write_text('{"rec')
    with run_directory.opened(tmp_path) as run:
        run.write_json("recipe.json", {})


def test_a_run_is_open_in_one_process_at_a_time(tmp_path):
    with (
        run_directory.opened(tmp_path),
        pytest.raises(InputError, match=r"Another process is training in"),
        run_directory.opened(tmp_path),
    ):
        pytest.fail("entered")
    with run_directory.opened(tmp_path):
        pass


def test_the_newest_interrupted_run_of_the_recipe(tmp_path):
    def make(name, recipe, *files, age=0):
        with run_directory.opened(tmp_path / name) as run:
            run.write_json("recipe.json", {"recipe": recipe})
            for file in files:
                run.write_json(file, {})
        os.utime(tmp_path / name / "recipe.json", (1e9 - age, 1e9 - age))

    assert run_directory.interrupted(tmp_path / "none", {"seed": 1}) is None
    make("older", {"seed": 1}, age=60)
    make("interrupted", {"seed": 1}, age=30)
    make("finished", {"seed": 1}, "metrics.json", age=20)
    make("other", {"seed": 2}, age=10)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "recipe.json").write_text("{")
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "recipe.json").write_text("[]")

    found = run_directory.interrupted(tmp_path, {"seed": 1})
    assert found == tmp_path / "interrupted"
    with run_directory.opened(found):
        found = run_directory.interrupted(tmp_path, {"seed": 1})
    assert found == tmp_path / "older"
    assert run_directory.interrupted(tmp_path, {"seed": 3}) is None


def test_the_newest_interrupted_search(tmp_path):
    for name, file in (("run", "recipe.json"), ("search", "search.json")):
        with run_directory.opened(tmp_path / name) as run:
            run.write_json(file, {"recipe": {"seed": 1}})
    asked = tmp_path, {"seed": 1}

    assert run_directory.interrupted(*asked) == tmp_path / "run"
    found = run_directory.interrupted(*asked, "search.json")
    assert found == tmp_path / "search"
    # It may be opened again before there is a recipe.
    with run_directory.opened(found):
        pass


def test_discarded(tmp_path):
    with run_directory.discarded() as run:
        run.write_json("metrics.json", {})
        assert run.path.is_dir()
    assert not run.path.exists()


def test_a_full_disk_leaves_the_old_file_and_one_line(tmp_path):
    """A limit on the size of files stands in for the disk."""
    run = RunDirectory(tmp_path)
    run.write_json("a.json", {"old": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(InputError, match=r"a\.json could not be written"):
            run.write_json("a.json", {"new": "x" * 10_000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert run.read_json("a.json") == {"old": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("inside", ["", "run"])
def test_a_file_in_the_way(inside, tmp_path):
    (tmp_path / "file").write_text("theirs")
    with (
        pytest.raises(InputError, match=r"can be written to; got .*file"),
        run_directory.opened(tmp_path / "file" / inside),
    ):
        pytest.fail("entered")
    assert (tmp_path / "file").read_text() == "theirs"


@pytest.mark.parametrize("inside", ["", "run", "a/b/run"])
def test_started_at_once_on_one_directory(inside, tmp_path):
    """One gets in; another hears of it, whatever the moment."""
    entered, refused, wrong = [], [], []
    inside_now = threading.Lock()

    def start():
        for _ in range(150):
            try:
                with run_directory.opened(tmp_path / inside) as run:
                    assert inside_now.acquire(blocking=False)
                    assert run.path.is_dir()
                    entered.append(run)
                    inside_now.release()
            except InputError as error:
                kind = "Another process is training in" in str(error)
                (refused if kind else wrong).append(str(error))
            except BaseException as error:
                wrong.append(repr(error))

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert entered
    assert len(entered) + len(refused) == 6 * 150


def test_one_that_is_refused_leaves_the_others_empty_directory(tmp_path):
    path = tmp_path / "run"
    with run_directory.opened(path):
        with pytest.raises(InputError), run_directory.opened(path):
            pytest.fail("entered")
        assert path.is_dir()
    assert not path.exists()


def test_a_directory_removed_before_it_is_locked(tmp_path, monkeypatch):
    """The other process ends between our opening and our locking."""
    flock, removed = run_directory.fcntl.flock, []

    def late(*arguments):
        if not removed:
            removed.append((tmp_path / "run").rmdir())
        return flock(*arguments)

    monkeypatch.setattr(run_directory.fcntl, "flock", late)
    with run_directory.opened(tmp_path / "run") as run:
        run.write_json("recipe.json", {})
    assert (tmp_path / "run" / "recipe.json").exists()
    assert removed


def test_a_name_too_long_leaves_nothing(tmp_path):
    with (
        pytest.raises(InputError, match=r"can be written to; .*too long"),
        run_directory.opened(tmp_path / "a" / "b" / ("x" * 300)),
    ):
        pytest.fail("entered")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[" * 100_000 + "]" * 100_000, "too deep"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "too deep"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
        ('{"a": ' + "9" * 400 + "}", "an integer of 400 digits"),
        ('["\\ud800"]', "surrogates"),
        ("", "Expecting value"),
    ],
    ids=["lists", "objects", "digits", "integer", "half a character", "empty"],
)
def test_json_that_python_cannot_hold(content, problem, tmp_path):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=rf"a\.json must be JSON.*{problem}"):
        RunDirectory(tmp_path).read_json("a.json")


def test_a_directory_in_the_place_of_json(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(InputError, match=r"must be JSON; got: Is a directory"):
        RunDirectory(tmp_path).read_json("a.json")


def test_lists_are_written_as_any_json(tmp_path):
    run_dir = RunDirectory(tmp_path)
    lists = {"a": [f"é {i}" for i in range(1001)], "b": ['"', "\udcff"]}
    run_dir.write_json("one.json", lists)
    arrays = {name: np.array(items, object) for name, items in lists.items()}
    run_dir.write_lists("other.json", arrays)
    written = (tmp_path / "other.json").read_bytes()
    assert written == (tmp_path / "one.json").read_bytes()
    assert run_dir.holds_lists("one.json", arrays)
    assert not run_dir.holds_lists("one.json", {"a": arrays["a"]})
    (tmp_path / "one.json").write_bytes(written + b"\n")
    assert not run_dir.holds_lists("one.json", arrays)
