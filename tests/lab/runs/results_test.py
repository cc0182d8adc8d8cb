import json
import shutil

import keras
import pytest

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs import results


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
    assert loaded.kind.max_value == 16
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


def test_class_names_are_those_of_the_run(run):
    names = ["$0", "one", "2", "3", "4", "5", "6", "7", "8", "nine\nlines"]
    (run / "classes.json").write_text(json.dumps(names))
    assert results.load(run).class_names == tuple(names)


def test_a_classifier_of_other_data_is_refused(run):
    other = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)]
    )
    other.save(run / "classifier.keras")
    with pytest.raises(
        InputError, match=r"to outputs \(10,\); got one from .* to \(3,\)"
    ):
        results.load(run)


def test_class_shares_of_other_classes_are_refused(run):
    lines = (run / "history.csv").read_text().splitlines()
    lines[-1] = lines[-1].rpartition(" ")[0]
    (run / "history.csv").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"each of 10 classes; got 9 in epoch"):
        results.load(run)
