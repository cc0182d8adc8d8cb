import json
import math
import shutil

import numpy as np
import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs import results
from tf_pseudolabel.lab.runs.run_directory import RunDirectory

HEADER = "arm,epoch,alpha,coverage,class_shares\n"


@pytest.fixture
def run(finished_run, tmp_path):
    return shutil.copytree(finished_run, tmp_path / "run")


def test_a_finished_run_is_read_as_it_was(finished_run, tiny_recipe):
    loaded = results.load(finished_run)
    assert loaded.recipe == tiny_recipe
    assert loaded.metrics == json.loads(
        (finished_run / "metrics.json").read_text()
    )
    assert list(loaded.probabilities) == ["supervised", "pseudo_label"]
    assert len(loaded.history) == 2 * tiny_recipe.epochs
    assert loaded.warnings == []
    assert loaded.max_value == 16
    assert loaded.record["versions"]["tensorflow"]
    for arm, figures in loaded.metrics.items():
        outputs = loaded.probabilities[arm]["test"]
        wrong = outputs.argmax(axis=-1) != loaded.split.test.labels
        assert 100 * wrong.mean() == pytest.approx(
            figures["test_error_percent"], abs=1e-3
        )
        assert loaded.probabilities[arm]["unlabeled"].shape == (200, 10)


def test_a_run_without_the_baseline(run):
    metrics = json.loads((run / "metrics.json").read_text())
    del metrics["supervised"]
    (run / "metrics.json").write_text(json.dumps(metrics))
    assert list(results.load(run).probabilities) == ["pseudo_label"]


def test_warnings_are_read(run):
    alarm = {"epoch": 3, "alarm": "collapse", "text": "One class."}
    (run / "warnings.json").write_text(json.dumps([alarm]))
    assert results.load(run).warnings == [alarm]


@pytest.mark.parametrize("content", ["{}", '[{"epoch": 1}]', "[1]"])
def test_other_warnings_are_refused(content, run):
    (run / "warnings.json").write_text(content)
    with pytest.raises(InputError, match=r"warnings\.json must hold"):
        results.load(run)


def test_an_unfinished_run_is_refused(run):
    (run / "metrics.json").unlink()
    with pytest.raises(InputError, match=r"holds metrics\.json"):
        results.load(run)


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"x": {}}', '{"supervised":1}']
)
def test_other_metrics_are_refused(content, tmp_path):
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(InputError, match=r"must hold figures of supervised"):
        results.read_metrics(RunDirectory(tmp_path))


def test_history_cells(tmp_path):
    file = tmp_path / "history.csv"
    file.write_text(
        HEADER + "supervised,0,0.0,,\npseudo_label,1,0.5,1,0.25 0.75\n"
    )
    first, second = results.read_history(file)
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
    ["supervised,first,0,,", "supervised,0,x,,", "supervised,0,0,,a b", "a"],
)
def test_cells_that_are_no_numbers_are_refused(row, tmp_path):
    file = tmp_path / "history.csv"
    file.write_text(HEADER + row + "\n")
    with pytest.raises(InputError, match=r"must hold a row of figures per arm"):
        results.read_history(file)


def test_a_missing_history_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"history\.csv .* No such file"):
        results.read_history(tmp_path / "history.csv")
