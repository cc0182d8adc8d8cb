import csv
import dataclasses
import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs import experiment


def _read(path, name):
    return json.loads((pathlib.Path(path) / name).read_text())


def _history(path):
    with (pathlib.Path(path) / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_nan_stops_the_run_and_keeps_the_last_good_checkpoint(
    tiny_recipe, tmp_path
):
    """An absurd alpha from epoch 1 on; epoch 0 is sound."""
    recipe = dataclasses.replace(
        tiny_recipe, baseline=False, t1=1, t2=1, alpha_f=1e38
    )
    with pytest.raises(InputError, match=r"loss turned .* in epoch 1; .*kept"):
        experiment.run(recipe, tmp_path / "run")
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left == {
        "recipe.json",
        "split.json",
        "classes.json",
        "history.csv",
        "best",
        "checkpoints",
        "tensorboard",
    }
    assert [row["epoch"] for row in _history(tmp_path / "run")] == ["0"]
    checkpoint = tmp_path / "run" / "checkpoints" / "pseudo_label" / "ckpt-1"
    reader = tf.train.load_checkpoint(checkpoint)
    weights = [
        reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.startswith("variables")
    ]
    assert any(weight.ndim == 2 for weight in weights)
    assert all(np.isfinite(weight).all() for weight in weights)
    progress = json.loads(
        reader.get_tensor("progress/.ATTRIBUTES/VARIABLE_VALUE")
    )
    assert (progress["epoch"], progress["batch"]) == (1, 0)
    with pytest.raises(InputError, match=r"holds metrics\.json"):
        experiment.evaluate(tmp_path / "run")


@pytest.mark.slow
def test_an_alarm_stops_the_arm_and_is_written_down(tiny_recipe, tmp_path):
    """No confidence reaches 1: nothing is accepted from epoch 1 on."""
    recipe = dataclasses.replace(
        tiny_recipe,
        baseline=False,
        selection="threshold",
        threshold=1.0,
        epochs=30,
        labeled_epochs=0,
        t1=0,
        on_alarm="stop",
    )
    metrics = experiment.run(recipe, tmp_path / "run")
    # alpha is 0 in epoch 0; then it waits twenty epochs for a sure row.
    assert metrics["pseudo_label"]["epochs"] == 21
    assert len(_history(tmp_path / "run")) == 21
    (alarm,) = _read(tmp_path / "run", "warnings.json")
    assert (alarm["epoch"], alarm["alarm"]) == (20, "no_coverage")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Hardly a pseudo-label counts" in page

    # Killed after the alarm and before the end: no update is added.
    (tmp_path / "run" / "metrics.json").unlink()
    again = experiment.run(recipe, tmp_path / "run")
    for figures in (metrics["pseudo_label"], again["pseudo_label"]):
        figures.pop("train_seconds")
    assert again == metrics


def test_an_absurd_learning_rate_leaves_no_bad_checkpoint(
    tiny_recipe, tmp_path
):
    recipe = dataclasses.replace(
        tiny_recipe, learning_rate=1e30, baseline=False
    )
    with pytest.raises(InputError, match=r"epoch 0; there is no checkpoint"):
        experiment.run(recipe, tmp_path / "run")
    assert not list((tmp_path / "run").rglob("ckpt-*"))


def test_checkpoints_of_the_other_arm_are_refused(
    finished_run, tiny_recipe, tmp_path
):
    path = shutil.copytree(finished_run, tmp_path / "run")
    (path / "metrics.json").unlink()
    folder = path / "checkpoints"
    (folder / "supervised").rename(folder / "other")
    (folder / "pseudo_label").rename(folder / "supervised")
    (folder / "other").rename(folder / "pseudo_label")
    before = sorted(folder.rglob("ckpt-*"))
    with pytest.raises(
        InputError,
        match=r"of the arm supervised; .*ckpt-\d is of pseudo_label\. Put",
    ):
        experiment.run(tiny_recipe, path)
    assert sorted(folder.rglob("ckpt-*")) == before
