import dataclasses
import json
import pathlib
import signal
import sys
import threading
import time

import pytest

from tf_pseudolabel.errors import InputError
from tf_pseudolabel.interruption import Interrupted
from tf_pseudolabel.recipes import RECIPES
from tf_pseudolabel.reproduction import runs
from tf_pseudolabel.reproduction.plans import PLANS, Cell, Plan

RECIPE = dataclasses.replace(RECIPES["digits_conv"], epochs=3, t1=1, t2=2)


def _plan(**values):
    cells = [
        Cell(
            f"{epochs} epochs",
            dataclasses.replace(RECIPE, epochs=epochs),
            most_seeds,
        )
        for epochs, most_seeds in ((3, None), (4, 1))
    ]
    return Plan(tuple(cells), **values)


def _metrics(error=12.5):
    return {
        "pseudo_label": {
            "test_error_percent": error,
            "conditional_entropy": {"train": 1, "unlabeled": 2, "test": 3},
            "validation": {"accuracy": 0.9},
            "epochs": 3,
            "updates": 30,
            "train_seconds": 4.5,
        }
    }


def test_split_after_split():
    found = runs.of_plan(_plan(first_seed=7, seeds=2))

    assert [(r.cell.variant, r.recipe.seed) for r in found] == [
        ("3 epochs", 7),
        ("4 epochs", 7),
        ("3 epochs", 8),
    ]
    assert len(runs.of_plan(_plan(), seeds=5)) == 6


def test_flags_say_what_differs_and_nothing_else():
    run = runs.of_plan(_plan(seeds=1))[0]

    assert sorted(run.flags) == [
        *("--epochs=3", "--recipe=digits_conv", "--t1=1", "--t2=2"),
    ]


def test_flags_make_the_very_recipe_again():
    """Also numbers that are no round ones in binary."""
    from absl import flags as absl_flags

    from tf_pseudolabel.cli import train

    if "recipe" not in absl_flags.FLAGS:
        train.define_flags()
    for name in PLANS:
        for run in runs.of_plan(PLANS[name](), seeds=1):
            absl_flags.FLAGS.unparse_flags()
            for flag in list(absl_flags.FLAGS):
                absl_flags.FLAGS[flag].unparse()
            absl_flags.FLAGS(["train", *run.flags])
            made = train.recipe_from_flags()
            assert [getattr(made, f) for f in runs._FLAGS] == [
                getattr(run.recipe, f) for f in runs._FLAGS
            ]


def test_a_changed_recipe_is_another_run_but_a_moved_data_set_is_not():
    run = runs.of_plan(_plan(seeds=1))[0]

    def changed(**values):
        recipe = dataclasses.replace(run.recipe, **values)
        return dataclasses.replace(run, recipe=recipe)

    assert changed(alpha_f=2.0).fingerprint != run.fingerprint
    assert changed(data_dir="/elsewhere").name == run.name
    assert run.name == f"digits_conv-50-0-{run.fingerprint}"


def _append(run, path, error=12.5):
    (path.parent / "run").mkdir(exist_ok=True)
    _leave_behind(path.parent / "run", _metrics(error))
    runs.append(runs._rows(run, path.parent / "run", "test"), path)


def _leave_behind(run_dir, metrics, **recorded):
    """What of a finished run is read."""
    (run_dir / "metrics.json").write_text(json.dumps(metrics))
    (run_dir / "recipe.json").write_text(json.dumps(recorded))


def test_finished_runs_are_kept(tmp_path):
    found = runs.of_plan(_plan(seeds=2))
    path = tmp_path / "runs.csv"
    assert runs.unfinished(found, runs.read(path)) == found

    _append(found[2], path, 3.0)
    _append(found[0], path, 1.0)

    rows = runs.read(path)
    assert runs.unfinished(found, rows) == [found[1]]
    mine = runs.of_runs(found, rows)
    assert [row["test_error_percent"] for row in mine] == ["1.0", "3.0"]
    assert mine[0]["validation_error_percent"] == "10.0"
    assert mine[0]["entropy_test"] == "3"
    # Rows of recipes that have changed since are nobody's.
    other = dataclasses.replace(
        found[0], recipe=dataclasses.replace(found[0].recipe, t2=3)
    )
    assert runs.of_runs([other], rows) == []


def test_what_is_chosen_by_does_not_show_the_test_set(tmp_path):
    run = runs.of_plan(_plan(seeds=1))[0]
    _leave_behind(tmp_path, _metrics())

    (row,) = runs._rows(run, tmp_path, "validation")

    assert row["test_error_percent"] == ""


def test_the_commit_is_that_which_the_run_began_at(tmp_path):
    run = runs.of_plan(_plan(seeds=1))[0]
    _leave_behind(tmp_path, _metrics(), commit="abc1234")

    (row,) = runs._rows(run, tmp_path, "test")

    assert row["commit"] == "abc1234"
    # Runs of before did not write it down.
    _leave_behind(tmp_path, _metrics())
    (row,) = runs._rows(run, tmp_path, "test")
    assert row["commit"] == ""


# A program in the place of bin/train.
_CHILD = """
import json, pathlib, signal, sys, time
flags = dict(f[2:].partition("=")[::2] for f in sys.argv[1:])
path = pathlib.Path(flags["output_dir"])
path.mkdir(parents=True, exist_ok=True)
{body}
(path / "recipe.json").write_text("{{}}")
(path / "metrics.json").write_text('''{metrics}''')
"""


def _with_child(monkeypatch, body=""):
    program = _CHILD.format(body=body, metrics=json.dumps(_metrics()))
    real = runs.subprocess.Popen

    def start(command, **kwargs):
        if command[0] == "git":
            return real(command, **kwargs)
        assert command[:3] == [sys.executable, "-m", "tf_pseudolabel.cli.train"]
        return real([sys.executable, "-c", program, *command[3:]], **kwargs)

    monkeypatch.setattr(runs.subprocess, "Popen", start)


@pytest.mark.parametrize("jobs", [1, 3])
def test_all_runs_leave_rows(monkeypatch, tmp_path, capsys, jobs):
    _with_child(monkeypatch)
    found = runs.of_plan(_plan(seeds=2))
    path = tmp_path / "runs.csv"

    told = []

    def tell():
        told.append(len(runs.read(path)))

    runs.finish(found, path, tmp_path / "work", "test", jobs, tell)

    assert told == [1, 2, 3]
    assert runs.unfinished(found, runs.read(path)) == []
    said = capsys.readouterr().out.splitlines()
    assert said[-1].endswith("test error 12.50 % in 4 s; 0 to go")


def test_a_run_that_fails_says_why_and_others_stay(monkeypatch, tmp_path):
    body = "if 'seed' in flags: sys.exit('train: the disk is full')"
    _with_child(monkeypatch, body)
    found = runs.of_plan(_plan(seeds=2))
    path = tmp_path / "runs.csv"

    with pytest.raises(InputError, match="status 1 and said: train: the disk"):
        runs.finish(found, path, tmp_path / "work", "test")

    assert runs.unfinished(found, runs.read(path)) == found[2:]


def test_a_signal_is_passed_on_and_waited_for(monkeypatch, tmp_path):
    """The child saves, and takes its time."""
    _with_child(
        monkeypatch,
        "def save(*_):\n"
        "    time.sleep(0.5)\n"
        "    (path / 'saved').touch()\n"
        "    sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "(path / 'begun').touch()\n"
        "time.sleep(60)",
    )
    found = runs.of_plan(_plan(seeds=1))
    work = tmp_path / "work"

    def interrupt():
        while not list(work.glob("*/begun")):
            time.sleep(0.05)
        signal.raise_signal(signal.SIGTERM)

    threading.Thread(target=interrupt).start()
    with pytest.raises(Interrupted):
        runs.finish(found, tmp_path / "runs.csv", work, "test")

    assert len(list(work.glob("*/saved"))) == 1
    assert not pathlib.Path(tmp_path / "runs.csv").exists()


def test_some_methods():
    found = runs.of_plan(PLANS["lee2013_table"](), seeds=1)

    some = runs.of_methods(found, ["lee2013_dropnn", "lee2013_pl"])

    assert [run.cell.labels for run in some] == [
        *(100, 100, 600, 600, 1000, 1000, 3000, 3000),
    ]
    assert runs.of_methods(found, []) == found
    with pytest.raises(InputError, match=r"lee2013_dropnn, .*; got 'svm'"):
        runs.of_methods(found, ["lee2013_pl", "svm"])


def test_a_field_that_is_new_leaves_finished_runs_finished(monkeypatch):
    run = runs.of_plan(_plan(seeds=1))[0]
    now = run.fingerprint

    def before(field):
        """As it was when recipes did not have that field."""
        monkeypatch.setattr(runs, "_FLAGS", [f for f in flags if f != field])
        return run.fingerprint

    flags = runs._FLAGS
    assert before("mixup") == now
    assert before("epochs") != now
