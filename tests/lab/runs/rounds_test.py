import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from tf_pseudolabel.lab.callbacks.checkpoints import Checkpoints
from tf_pseudolabel.lab.cli import selftrain
from tf_pseudolabel.lab.data.digits import load
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs import experiment, rounds

PLAN = rounds.Plan((0.5, 1.0))


@pytest.fixture(scope="module")
def recipe(tiny_recipe):
    """Two epochs of four updates, alpha 1 from the start; dropout."""
    return dataclasses.replace(
        tiny_recipe, labeled_epochs=0, epochs=2, t1=0.0, t2=0.0
    )


@pytest.fixture(scope="module")
def done(recipe, tmp_path_factory):
    """The directory of finished rounds."""
    path = tmp_path_factory.mktemp("runs") / "rounds"
    rounds.run(recipe, PLAN, path, with_pictures=False)
    return path


def _json(path, name):
    return json.loads((path / name).read_text("utf-8"))


def _rows(path, name="labels.csv"):
    with open(path / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _column(path, name, kind=str):
    return np.array([kind(row[name]) for row in _rows(path)])


def _weights(path):
    return keras.saving.load_model(path).get_weights()


def _assert_same(path, other):
    for name in ("round-1", "round-2", "round-3", "."):
        found, expected = (
            _weights(p / name / "classifier.keras") for p in (path, other)
        )
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)
    assert _json(path, "rounds.json") == _json(other, "rounds.json")
    assert (path / "round-3/labels.csv").read_text() == (
        other / "round-3/labels.csv"
    ).read_text()
    assert (path / "history.csv").read_text() == (
        other / "history.csv"
    ).read_text()


def test_labels_are_what_the_round_before_says(done):
    split = _json(done, "split.json")
    data = load().train
    row_of = {name: row for row, name in enumerate(data.ids.tolist())}
    rows = [row_of[name] for name in split["unlabeled"]]
    before = None
    for number, share in ((2, 0.5), (3, 1.0)):
        own = done / f"round-{number}"
        teacher = keras.saving.load_model(
            done / f"round-{number - 1}" / "classifier.keras"
        )
        logits = teacher.predict(data.take(rows).read(), verbose=0)
        p = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
        assert _column(own, "id").tolist() == split["unlabeled"]
        labels = _column(own, "label", int)
        np.testing.assert_array_equal(labels, p.argmax(axis=1))
        confidence = _column(own, "confidence", float)
        np.testing.assert_allclose(confidence, p.max(axis=1), rtol=1e-4)
        kept = _column(own, "kept", int) == 1
        for label in np.unique(labels):
            of_class = labels == label
            count = np.ceil(share * of_class.sum())
            assert kept[of_class].sum() == count
            if count < of_class.sum():
                least = confidence[of_class & kept].min()
                assert least >= confidence[of_class & ~kept].max()
        true = _column(own, "true_label", int)
        np.testing.assert_array_equal(true, data.labels[rows])
        flipped = _column(own, "flipped", int) == 1
        expected = labels != (labels if before is None else before)
        np.testing.assert_array_equal(flipped, expected)
        figures = _json(done, "rounds.json")["rounds"][number - 1]
        assert figures["kept"] == kept.sum()
        assert figures["flips"] == (None if before is None else flipped.sum())
        right = (labels == true)[kept].mean()
        assert figures["accuracy_of_kept"] == pytest.approx(right)
        before = labels


def test_the_directory_is_an_ordinary_run(done):
    computed, recorded = experiment.evaluate(done)
    for arm, number in (("supervised", 1), ("pseudo_label", 3)):
        error = computed[arm]["test_error_percent"]
        assert error == recorded[arm]["test_error_percent"]
        found = _json(done, "rounds.json")["rounds"][number - 1]
        assert found["test_error_percent"] == error
    assert recorded["supervised"]["unlabeled_examples"] == 0
    # As many updates as over all rows, in every round.
    assert [recorded[arm]["updates"] for arm in recorded] == [8, 8]
    assert (done / "best/pseudo_label.keras").exists()
    assert (done / "saved_model/saved_model.pb").exists()


def test_tables_say_what_is_known(done):
    found = selftrain.table(_json(done, "rounds.json")["rounds"])
    header, first, second, third = found.splitlines()
    assert {len(line) for line in (header, first, second, third)} == {65}
    assert first.split()[:5] == ["1", "50", "0", "–", "–"]
    assert third.split()[2] == "200"


class _KilledError(Exception):
    pass


@pytest.mark.parametrize(
    "epochs", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 5))]
)
def test_interrupted_rounds_end_as_if_left_alone(
    epochs, done, recipe, tmp_path, monkeypatch
):
    """Within the first, after it, within the second, within the last."""
    save, left = Checkpoints.on_epoch_end, [epochs]

    def killed(self, epoch, logs=None):
        save(self, epoch, logs)
        left[0] -= 1
        if not left[0]:
            raise _KilledError

    monkeypatch.setattr(Checkpoints, "on_epoch_end", killed)
    with pytest.raises(_KilledError):
        rounds.run(recipe, PLAN, tmp_path / "run", with_pictures=False)
    assert not (tmp_path / "run/metrics.json").exists()
    rounds.run(recipe, PLAN, tmp_path / "run", with_pictures=False)
    _assert_same(tmp_path / "run", done)


@pytest.mark.slow
def test_more_rounds_and_labels_by_people(done, recipe, tmp_path, capsys):
    """A round that is finished stays; the next one has the labels."""
    path = tmp_path / "run"
    shutil.copytree(done, path)
    plan = rounds.Plan((0.5, 1.0, 1.0))
    split = _json(path, "split.json")
    true = dict(zip(load().train.ids, load().train.labels, strict=True))
    moved, given = split["unlabeled"][:3], split["labeled"][0]
    lines = [f"{name},{true[name]}" for name in moved]
    lines.append(f"{given},{(true[given] + 1) % 10}")
    (tmp_path / "mine.csv").write_text("\n".join(["id,label", *lines, ""]))
    before = (path / "round-3/labels.csv").read_text()
    _, found = rounds.run(
        recipe, plan, path, tmp_path / "mine.csv", with_pictures=False
    )
    told = capsys.readouterr().out
    assert (
        "Round 4: Labels by people: 3 of unlabeled rows, 1 that replace given "
        "ones, 0 that confirm given ones." in told
    )
    assert [one["labeled"] for one in found["rounds"]] == [50, 50, 50, 53]
    assert found["rounds"][3]["kept"] == 197
    assert (path / "round-3/labels.csv").read_text() == before
    assert not {*moved} & {*_column(path / "round-4", "id")}
    assert len(_rows(path / "round-4", "corrections.csv")) == 4
    # A round that has begun keeps its labels, and its network.
    (path / "metrics.json").unlink()
    weights = _weights(path / "classifier.keras")
    rounds.run(recipe, plan, path, with_pictures=False)
    for a, b in zip(_weights(path / "classifier.keras"), weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_a_larger_student_from_scratch(recipe, tmp_path):
    plan = rounds.Plan((1.0,), student_network="conv")
    rounds.run(recipe, plan, tmp_path / "run", with_pictures=False)
    first, last = (
        sum(w.size for w in _weights(tmp_path / "run" / name))
        for name in ("checkpoints/supervised.keras", "classifier.keras")
    )
    assert last > first
    experiment.evaluate(tmp_path / "run")


@pytest.mark.slow
def test_students_begin_where_the_teacher_is(recipe, tmp_path):
    still = dataclasses.replace(recipe, learning_rate=0.0)
    plan = rounds.Plan((1.0,), start="teacher")
    path = tmp_path / "run"
    rounds.run(recipe, plan, path, with_pictures=False)
    other = dataclasses.replace(plan, student_network="conv")
    with pytest.raises(InputError, match="start_from=scratch"):
        rounds.run(still, other, tmp_path / "other", with_pictures=False)
    scratch = tmp_path / "scratch"
    rounds.run(recipe, rounds.Plan((1.0,)), scratch, with_pictures=False)
    same, differs = (
        [_weights(p / n / "classifier.keras")[0] for p in (path, scratch)]
        for n in ("round-1", "round-2")
    )
    np.testing.assert_array_equal(*same)
    assert np.abs(differs[0] - differs[1]).max() > 1e-3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher": "lagged"}, "got --teacher=lagged"),
        ({"restart_epochs": 1}, "got --restart_epochs=1"),
        ({"baseline": False}, "got --baseline=False"),
        ({"target": "multi_hot", "output": "sigmoid"}, "of one class"),
        ({"strategy": "multi_worker"}, "on one machine"),
    ],
)
def test_recipes_that_are_no_rounds(changes, message, recipe, tmp_path):
    changed = dataclasses.replace(recipe, **changes)
    with pytest.raises(InputError, match=message):
        rounds.run(changed, PLAN, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_directories_of_others(done, finished_run, recipe, tiny_recipe):
    with pytest.raises(InputError, match="rounds of another plan"):
        rounds.run(recipe, rounds.Plan((1.0,)), done)
    with pytest.raises(InputError, match="rounds of another plan"):
        rounds.run(recipe, dataclasses.replace(PLAN, confidence=0.5), done)
    with pytest.raises(InputError, match="holds a run of bin/train"):
        rounds.run(tiny_recipe, PLAN, finished_run)


def test_bin_train_leaves_rounds_alone(recipe, tmp_path):
    def end(job, place):
        place.run_dir.write_json("rounds.json", {})
        raise _KilledError

    with pytest.raises(_KilledError):
        experiment.run(recipe, tmp_path / "run", trainer=end)
    with pytest.raises(InputError, match="holds rounds of bin/selftrain"):
        experiment.run(recipe, tmp_path / "run")


def test_labels_by_people_are_checked_before_anything(recipe, tmp_path):
    (tmp_path / "mine.csv").write_text("id,label\nnone,3\n")
    with pytest.raises(InputError, match="the id none"):
        rounds.run(recipe, PLAN, tmp_path / "run", tmp_path / "mine.csv")
    assert not (tmp_path / "run/round-1").exists()


def test_nothing_is_sure_enough(recipe, tmp_path):
    plan = rounds.Plan((1.0,), confidence=1.0)
    with pytest.raises(InputError, match="Round 2 must keep some rows; got no"):
        rounds.run(recipe, plan, tmp_path / "run", with_pictures=False)


@pytest.mark.slow
def test_labels_of_other_rows_are_refused(recipe, tmp_path):
    path = tmp_path / "run"
    plan = rounds.Plan((1.0,))
    rounds.run(recipe, plan, path, with_pictures=False)
    (path / "metrics.json").unlink()
    file = path / "round-2/labels.csv"
    whole = file.read_text()
    file.write_text(whole.replace("digits/", "other/", 1))
    with pytest.raises(InputError, match="unlabeled rows of this run"):
        rounds.run(recipe, plan, path, with_pictures=False)
    file.write_text(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="must hold the"):
        rounds.run(recipe, plan, path, with_pictures=False)


@pytest.mark.slow
def test_killed_the_program_goes_on(tmp_path):
    def start(path):
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "tf_pseudolabel.lab.cli.selftrain"),
                *(f"--output_dir={path}", "--network=mlp", "--epochs=8"),
                *("--labeled_epochs=0", "--t1=0", "--t2=4", "--nopictures"),
                *("--keep_share=0.5,1", "--checkpoint_minutes=0"),
            ],
            env={**os.environ, "PYTHONPATH": os.getcwd()},
        )

    assert start(tmp_path / "alone").wait() == 0
    path = tmp_path / "run"
    for place in (
        *("round-1/checkpoints/supervised/ckpt-3.index", "round-2/labels.csv"),
        *("round-2/checkpoints/pseudo_label/ckpt-9.index", "round-3"),
        "round-3/checkpoints/pseudo_label/ckpt-12.index",
    ):
        process = start(path)
        while not (path / place).exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(path).wait() == 0
    _assert_same(path, tmp_path / "alone")
