import csv
import dataclasses
import json
from unittest import mock

import keras
import numpy as np
import pytest

from tf_pseudolabel.lab.data.examples import Examples
from tf_pseudolabel.lab.data.splits import Split
from tf_pseudolabel.lab.recipes.recipe import Recipe
from tf_pseudolabel.lab.runs import training, watching
from tf_pseudolabel.lab.runs.run_directory import RunDirectory
from tf_pseudolabel.monitoring.pseudo_label_monitor import PseudoLabelMonitor


def _split(unlabeled):
    def examples(count, name):
        images = np.arange(count, dtype=np.float32)[:, None, None, None]
        ids = np.array([f"{name}{row}" for row in range(count)])
        return Examples(images, np.zeros(count, np.int64), ids)

    sizes = {"labeled": 2, "validation": 2, "test": 2, "unlabeled": unlabeled}
    return Split(**{name: examples(n, name) for name, n in sizes.items()})


def test_only_an_arm_with_pseudo_labels_is_monitored(tmp_path):
    run_dir = RunDirectory(tmp_path)
    supervised = watching.monitor(
        training.SUPERVISED, Recipe(), _split(3), run_dir
    )
    assert supervised is None


def test_tensorboard_makes_summaries_of_epochs_alone(tmp_path, monkeypatch):
    recipe = Recipe()
    checkpoints = mock.Mock(monitor=None, rows=[])
    (board,) = (
        callback
        for callback in watching.callbacks(
            training.SUPERVISED, recipe, checkpoints, RunDirectory(tmp_path), []
        )
        if isinstance(callback, keras.callbacks.TensorBoard)
    )
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    made = []
    scalar = board.summary.scalar
    monkeypatch.setattr(
        board.summary,
        "scalar",
        lambda name, *args, **kwargs: (
            made.append(name),
            scalar(name, *args, **kwargs),
        ),
    )

    model.fit(
        np.ones((6, 2)),
        np.ones((6, 1)),
        batch_size=2,
        validation_data=(np.ones((6, 2)), np.ones((6, 1))),
        callbacks=[board],
        verbose=0,
    )

    # Once for training, once for validation.
    assert sorted(made) == ["epoch_learning_rate", "epoch_loss", "epoch_loss"]
    for part in ("train", "validation"):
        folder = tmp_path / "tensorboard" / "supervised" / part
        assert list(folder.iterdir())


@pytest.mark.parametrize(
    "rows, expected", [(3, 1), (80, 10), (2048, 256), (4000, 256)]
)
def test_the_probe_is_of_unlabeled_rows(rows, expected, tmp_path):
    monitor = watching.monitor(
        training.PSEUDO_LABEL,
        Recipe(on_alarm="stop"),
        _split(rows),
        RunDirectory(tmp_path),
    )
    assert isinstance(monitor, PseudoLabelMonitor)
    assert len(np.unique(monitor.probe)) == len(monitor.probe) == expected
    assert monitor.on_alarm == "stop"
    assert monitor.log_dir == tmp_path / "tensorboard" / "pseudo_label"


def test_history_holds_what_the_monitor_saw(finished_run):
    with (finished_run / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    supervised, pseudo_label = rows[:4], rows[4:]
    unknown = ("coverage", "churn", "class_shares", "calibration_error")
    assert all(row[name] == "" for row in supervised for name in unknown)
    # alpha is 0 in the first two epochs: no pseudo-label, but a probe.
    assert [row["coverage"] for row in pseudo_label[:2]] == ["", ""]
    for row in pseudo_label:
        assert 0 <= float(row["churn"]) <= 1
    for row in pseudo_label[2:]:
        assert float(row["coverage"]) == 1
        assert row["accepted_accuracy"] == row["pseudo_label_accuracy"]
        shares = np.array(row["class_shares"].split(), float)
        assert shares.shape == (10,)
        assert shares.sum() == pytest.approx(1, abs=1e-3)


def test_the_best_classifier_of_each_arm_is_kept(finished_run):
    """Measured again on the validation rows, it is as good as recorded."""
    from tf_pseudolabel.lab.runs import results

    found = results.load(finished_run)
    metrics = json.loads((finished_run / "metrics.json").read_text())
    validation = found.split.validation
    for arm, figures in metrics.items():
        best = results.load_classifier(finished_run / "best" / f"{arm}.keras")
        scores = best.predict(validation.read(), verbose=0)
        accuracy = (scores.argmax(axis=-1) == validation.labels).mean()
        assert accuracy == pytest.approx(figures["validation"]["best_accuracy"])


def test_alarms_are_printed_and_written(tiny_recipe, tmp_path, capsys):
    from tf_pseudolabel.lab.runs import experiment

    recipe = dataclasses.replace(
        tiny_recipe,
        baseline=False,
        selection="threshold",
        threshold=1.0,
        epochs=20,
        labeled_epochs=0,
        t1=0,
        t2=0,
    )
    experiment.run(recipe, tmp_path / "run", with_pictures=False)
    assert "Warning, epoch 19: Hardly a pseudo-label counts" in (
        capsys.readouterr().out
    )
    (alarm,) = json.loads((tmp_path / "run" / "warnings.json").read_text())
    assert (alarm["alarm"], alarm["epoch"]) == ("no_coverage", 19)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_healthy_run_raises_no_alarm(seed, tmp_path):
    """The limits of the alarms were set on other seeds, 100 to 104."""
    from tf_pseudolabel.lab import recipes
    from tf_pseudolabel.lab.runs import experiment

    recipe = dataclasses.replace(
        recipes.RECIPES[recipes.DEFAULT], seed=seed, baseline=False
    )
    experiment.run(recipe, tmp_path / "run")
    assert not (tmp_path / "run" / "warnings.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_run_designed_to_collapse_raises_the_right_alarm(seed, tmp_path):
    from tf_pseudolabel.lab import recipes
    from tf_pseudolabel.lab.runs import experiment

    recipe = dataclasses.replace(
        recipes.RECIPES[recipes.DEFAULT],
        seed=seed,
        baseline=False,
        num_labeled=10,
        labeled_batch=10,
        learning_rate=0.01,
        t1=0,
        t2=0,
        alpha_f=10.0,
        on_alarm="stop",
    )
    metrics = experiment.run(recipe, tmp_path / "run")
    (alarm,) = json.loads((tmp_path / "run" / "warnings.json").read_text())
    assert alarm["alarm"] == "one_class"
    assert metrics["pseudo_label"]["epochs"] == alarm["epoch"] + 1 < 10
