import json
import math
import types

import numpy as np
import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs import records
from tf_pseudolabel.lab.runs.run_directory import RunDirectory

HEADER = "arm,epoch,alpha,coverage,class_shares\n"
FIGURES = {
    "test_error_percent": 12.5,
    "test_examples": 60,
    "labeled_examples": 50,
    "unlabeled_examples": 0,
    "epochs": 4,
    "updates": 15,
    "train_seconds": 1.25,
    "largest_alpha": 3,
    "right_alone": 2,
    "conditional_entropy": {"train": 0.5, "unlabeled": 0.25, "test": 1},
    "validation": {"accuracy": 0.5, "best_accuracy": 0.75, "best_epoch": 3},
}
WRONG = ("1", None, True, -math.inf, math.nan, 1e300, [], {}, [[1]], -1)
DATA = types.SimpleNamespace(class_names=("a", "b"))


@pytest.fixture
def run_dir(tmp_path):
    return RunDirectory(tmp_path)


def _write(run_dir, name, content):
    if not isinstance(content, str):
        content = json.dumps(content)
    (run_dir / name).write_text(content)


def test_figures_of_both_arms(run_dir):
    metrics = {"supervised": FIGURES, "pseudo_label": FIGURES}
    _write(run_dir, "metrics.json", metrics)
    assert records.read_metrics(run_dir, tuple(FIGURES)) == metrics


def test_older_runs_lack_figures_and_newer_ones_have_others(run_dir):
    metrics = {"pseudo_label": {"test_error_percent": 0, "speed": "high"}}
    _write(run_dir, "metrics.json", metrics)
    assert records.read_metrics(run_dir) == metrics


@pytest.mark.parametrize(
    "content",
    [
        *("[]", "{}", "null", "1", '"a"', '{"x": {}}', '{"supervised": 1}'),
        *('{"pseudo_label": []}', '{"supervised": {}}'),
        '{"pseudo_label": {}, "other": {}}',
    ],
)
def test_other_metrics_are_refused(content, run_dir):
    _write(run_dir, "metrics.json", content)
    with pytest.raises(
        InputError,
        match=r"hold figures of supervised and pseudo_label; .*Delete metr",
    ):
        records.read_metrics(run_dir)


@pytest.mark.parametrize("name", FIGURES)
def test_figures_that_are_needed_are_there(name, run_dir):
    left = {key: value for key, value in FIGURES.items() if key != name}
    _write(run_dir, "metrics.json", {"pseudo_label": left})
    with pytest.raises(
        InputError, match=rf"must hold {name} of pseudo_label .* got none"
    ):
        records.read_metrics(run_dir, (name,))


@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:9])
@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_a_wrong_kind_are_refused(name, value, run_dir):
    if (name, value) in (("train_seconds", -1), ("largest_alpha", -1)):
        pytest.skip("a number like any other")
    _write(run_dir, "metrics.json", {"pseudo_label": {**FIGURES, name: value}})
    with pytest.raises(InputError, match=rf"{name} of pseudo_label as") as e:
        records.read_metrics(run_dir)
    assert len(str(e.value)) < 500


@pytest.mark.parametrize("value", WRONG[:-1], ids=lambda v: repr(v)[:9])
@pytest.mark.parametrize(
    "path",
    ["conditional_entropy train", "validation accuracy"],
)
def test_figures_inside_figures(path, value, run_dir):
    outer, inner = path.split()
    figures = {**FIGURES, outer: {**FIGURES[outer], inner: value}}
    _write(run_dir, "metrics.json", {"pseudo_label": figures})
    with pytest.raises(InputError, match=f"{outer} of pseudo_label .*a dict"):
        records.read_metrics(run_dir)


def test_history_cells(tmp_path):
    file = tmp_path / "history.csv"
    file.write_text(
        HEADER + "supervised,0,0.0,,\npseudo_label,1,0.5,1,0.25 0.75\n"
    )
    first, second = records.read_history(file)
    assert (first["arm"], first["epoch"], first["alpha"]) == (
        "supervised",
        0,
        0,
    )
    assert math.isnan(first["coverage"])
    assert first["class_shares"] is None
    assert second["coverage"] == 1
    np.testing.assert_array_equal(second["class_shares"], [0.25, 0.75])


@pytest.mark.parametrize(
    "row",
    [
        *("supervised,first,0,,", "supervised,0,x,,", "supervised,0,0,,a b"),
        *("a", "other,0,0,,", "supervised,-1,0,,", "supervised,1.5,0,,"),
        *("supervised,0,inf,,", "supervised,0,1e999,,", "supervised,0,,,inf"),
        *("supervised,0,0,,0.5,more", "supervised,0,0,\0,"),
        f"supervised,{'9' * 5000},0,,",
        f"supervised,{'9' * 400},0,,",
        f'supervised,0,"{"1" * 200_000}",,',
    ],
    ids=lambda row: row[:24],
)
def test_cells_that_are_no_numbers_are_refused(row, tmp_path):
    file = tmp_path / "history.csv"
    file.write_text(HEADER + row + "\n")
    with pytest.raises(
        InputError, match=r"must hold a row of figures per arm"
    ) as e:
        records.read_history(file)
    assert len(str(e.value)) < 500


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"epoch\n1\n", b"", b"arm\nb\n"]
)
def test_another_file_than_a_history(content, tmp_path):
    (tmp_path / "history.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"must hold a row of figures per arm"):
        records.read_history(tmp_path / "history.csv")


def test_a_missing_history_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"history\.csv .* No such file"):
        records.read_history(tmp_path / "history.csv")


@pytest.mark.parametrize(
    "content",
    [
        *("{}", '[{"epoch": 1}]', "[1]", "null", '"alarm"'),
        '[{"epoch": "1", "alarm": "a", "text": "b"}]',
        '[{"epoch": 1, "alarm": ["a"], "text": "b"}]',
        '[{"epoch": 1, "alarm": "a", "text": null}]',
    ],
)
def test_other_warnings_are_refused(content, run_dir):
    _write(run_dir, "warnings.json", content)
    with pytest.raises(InputError, match=r"warnings\.json must hold"):
        records.read_warnings(run_dir)


def test_a_run_without_warnings(run_dir):
    assert records.read_warnings(run_dir) == []


@pytest.mark.parametrize(
    "content", ["[]", "1", '{"recipe": {}, "versions": ["keras"]}']
)
def test_another_record_is_refused(content, run_dir):
    _write(run_dir, "recipe.json", content)
    with pytest.raises(InputError, match=r"recipe\.json must hold what"):
        records.read_record(run_dir)


@pytest.mark.parametrize(
    "content",
    [
        *("[]", "1", "null", '{"test": 5}', '{"test": [1]}', '{"test": {}}'),
        *('{"test": [["a"]]}', '{"test": []}', '{"test": "abc"}'),
    ],
)
def test_another_split_is_refused(content, run_dir):
    _write(run_dir, "split.json", content)
    with pytest.raises(InputError, match=r"a list of ids for every set"):
        records.read_split(run_dir)


def test_names_of_classes(run_dir):
    assert records.read_class_names(run_dir, DATA) == ("a", "b")
    _write(run_dir, "classes.json", ["$0", "ä"])
    assert records.read_class_names(run_dir, DATA) == ("$0", "ä")


@pytest.mark.parametrize(
    "content",
    ["{}", "1", '["a"]', '["a", "a"]', '["a", 1]', '["a", "b", "c"]', '"ab"'],
)
def test_other_names_are_refused(content, run_dir):
    _write(run_dir, "classes.json", content)
    with pytest.raises(InputError, match=r"a list of the names of 2 classes"):
        records.read_class_names(run_dir, DATA)


def test_what_a_search_came_to(tmp_path):
    run_dir = RunDirectory(tmp_path)
    assert records.read_search(run_dir) == []

    run_dir.write_json("search.json", {"chosen": "a", "told": ["a: 9", "b"]})
    assert records.read_search(run_dir) == ["a: 9", "b"]

    for broken in ([], {}, {"told": "a"}, {"told": [1]}):
        run_dir.write_json("search.json", broken)
        with pytest.raises(InputError, match="must hold what a search told"):
            records.read_search(run_dir)
