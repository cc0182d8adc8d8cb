import csv
import dataclasses
import json

import keras
import numpy as np
import pytest

from tf_pseudolabel import presets
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs.interruption import Interrupted
from tf_pseudolabel.lab.search import choosing
from tf_pseudolabel.lab.search.halving import SUPERVISED, Result, Search

SHARES = {SUPERVISED: 0.5, "lee2013": 0.6, "freematch": 0.9, "fixmatch": 0.88}


@pytest.fixture
def trained(monkeypatch):
    """Trials without training: a second an epoch, and as good as they are."""
    tried = []

    def run(self, trial):
        tried.append(trial)
        ids = np.asarray(self.splits[trial.split].validation.ids.tolist())
        rng = np.random.default_rng([trial.split, len(trial.name)])
        right = rng.random(len(ids)) < SHARES.get(trial.name, 0.4)
        return Result(2.0 + trial.epochs, 1.0, right, ids)

    monkeypatch.setattr(choosing.Trials, "__call__", run)
    return tried


def test_every_preset_is_tried_in_some_order():
    assert sorted(choosing.ORDER) == sorted(presets.PRESETS)


def test_the_best_is_chosen_and_all_is_written_down(
    trained, tiny_recipe, tmp_path, capsys
):
    run = tmp_path / "run"
    found = choosing.choose(tiny_recipe, {"threshold": 0.5}, run, 30)

    assert found.name in ("freematch", "fixmatch")
    assert found.recipe.epochs == tiny_recipe.epochs
    assert found.recipe.views == "auto" and found.recipe.threshold == 0.5
    out = capsys.readouterr().out
    assert "the test set is not looked at" in out
    assert f"{found.name} and supervised: ahead" in out
    record = json.loads((run / "search.json").read_text())
    assert record["chosen"] == found.name and record["minutes"] == 30
    assert all(line in out for line in record["told"])
    with (run / "search.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(trained)
    assert {row["preset"] for row in rows} == {SUPERVISED, *choosing.ORDER}


def test_a_search_that_was_cut_off_goes_on(
    trained, tiny_recipe, tmp_path, monkeypatch, capsys
):
    whole = choosing.choose(tiny_recipe, {}, tmp_path / "whole", 20)
    expected = [*trained]
    call = choosing.Trials.__call__

    def stopped(self, trial):
        if len(trained) == len(expected) + 9:
            raise Interrupted(15)
        return call(self, trial)

    with monkeypatch.context() as patch:
        patch.setattr(choosing.Trials, "__call__", stopped)
        with pytest.raises(Interrupted):
            choosing.choose(tiny_recipe, {}, tmp_path / "cut", 20)
    again = choosing.choose(tiny_recipe, {}, tmp_path / "cut", 20)

    assert again.name == whole.name
    assert trained[len(expected) :] == expected
    before = len(trained)
    once_more = choosing.choose(tiny_recipe, {}, tmp_path / "cut", 20)
    assert once_more[:2] == again[:2]
    assert len(trained) == before


def test_trials_have_the_precision_of_the_run(
    tiny_recipe, tmp_path, monkeypatch
):
    seen = set()

    def run(self, trial):
        seen.add(keras.config.dtype_policy().name)
        return "enough"

    monkeypatch.setattr(choosing.Trials, "__call__", run)
    recipe = dataclasses.replace(tiny_recipe, mixed_precision="bfloat16")
    with pytest.raises(InputError, match="must suffice to train two"):
        choosing.choose(recipe, {}, tmp_path / "run", 20)

    assert seen == {"mixed_bfloat16"}
    assert keras.config.dtype_policy().name == "float32"


def test_another_search_is_not_gone_on_with(trained, tiny_recipe, tmp_path):
    choosing.choose(tiny_recipe, {}, tmp_path / "run", 20)

    with pytest.raises(InputError, match="a search with other flags"):
        choosing.choose(tiny_recipe, {}, tmp_path / "run", 21)


def test_too_little_time_is_one_line(trained, tiny_recipe, tmp_path):
    with pytest.raises(InputError, match="must suffice to train two"):
        choosing.choose(tiny_recipe, {}, tmp_path / "run", 0.05)


def test_replicas_are_refused(tiny_recipe, tmp_path):
    recipe = dataclasses.replace(tiny_recipe, strategy="mirrored")
    with pytest.raises(InputError, match="tries presets on one device"):
        choosing.choose(recipe, {}, tmp_path / "run", 20)


def _search(shares, rows=400):
    rng = np.random.default_rng(0)
    ids = np.arange(rows).astype(str)
    draws = rng.random(rows)
    compared = {
        name: [Result(1.0, 1.0, draws < share, ids)]
        for name, share in shares.items()
    }
    dropped = {"vat": "no floats", "ict": "no time", "uda": "no time"}
    return Search([], dropped, compared)


def test_how_sure_a_choice_is():
    first, ahead, even, *out = choosing.told(
        _search({"a": 0.9, "b": 0.899, SUPERVISED: 0.5})
    )
    assert first.startswith("On validation data, in the last stage: a ")
    assert ahead.startswith("a and supervised: ahead, +")
    assert even.startswith("a and b: not told apart")
    assert out == [
        "Not compared: vat (no floats).",
        "Not compared: ict, uda (no time).",
    ]


def test_labels_alone_may_win():
    lines = list(choosing.told(_search({"a": 0.5, SUPERVISED: 0.9})))

    assert "The labels alone did best: no preset is used" in lines[1]
    assert lines[2].startswith("supervised and a: ahead")
