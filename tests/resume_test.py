"""Runs that end at chosen moments, and what they come to in the end."""

import dataclasses
import json
import pathlib
import subprocess
import sys
import typing

import keras
import numpy as np
import pytest

from tf_pseudolabel.lab.cli import local_workers

PROGRAM = pathlib.Path(__file__).with_name("interrupted_run.py")
FILES = "out", "err"
KILLED = {"SIGKILL": -9, "SIGTERM": 143, "SIGINT": 130}


class _Done(typing.NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def starter():
    """The process that has TensorFlow loaded and forks runs."""
    with subprocess.Popen(
        [sys.executable, PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.stdin.close()


@pytest.fixture(name="run")
def fixture_run(starter, tmp_path):
    """Runs what `interrupted_run.py` says; returns what came of it."""

    def at_once(path, minutes, signal, moments, environments):
        runs = [
            {
                "arguments": [
                    *(str(tmp_path / "recipe.json"), str(path), str(minutes)),
                    *(signal, *moment.split()),
                ],
                "environment": environment,
                "out": str(tmp_path / f"{index}.out"),
                "err": str(tmp_path / f"{index}.err"),
            }
            for index, (moment, environment) in enumerate(
                zip(moments, environments, strict=True)
            )
        ]
        starter.stdin.write(f"{json.dumps(runs)}\n")
        starter.stdin.flush()
        statuses = json.loads(starter.stdout.readline())
        return [
            _Done(status, *(pathlib.Path(run[x]).read_text() for x in FILES))
            for run, status in zip(runs, statuses, strict=True)
        ]

    return at_once


@pytest.fixture(name="run_one")
def fixture_run_one(run):
    """Runs in one process, by default to the end."""

    def call(path, minutes=0, signal="SIGKILL", where="nowhere"):
        (done,) = run(path, minutes, signal, [where], [{}])
        return done

    return call


@pytest.fixture(name="run_on_two")
def fixture_run_on_two(run):
    """Runs on two workers, of which the second one is interrupted."""

    def call(path, minutes=0, signal="SIGKILL", where="nowhere"):
        addresses = [f"localhost:{p}" for p in local_workers._free_ports(2)]
        configs = [
            {
                "cluster": {"worker": addresses},
                "task": {"type": "worker", "index": index},
            }
            for index in range(2)
        ]
        environments = [{"TF_CONFIG": json.dumps(c)} for c in configs]
        return run(path, minutes, signal, ["nowhere", where], environments)

    return call


@pytest.fixture
def recipe(tiny_recipe, tmp_path):
    """Writes a recipe, changed, to where runs read it."""

    def write(**changes):
        recipe = dataclasses.replace(tiny_recipe, **changes)
        content = {"recipe": dataclasses.asdict(recipe)}
        (tmp_path / "recipe.json").write_text(json.dumps(content))

    return write


def _assert_same(run, other):
    for name in ("classifier.keras", "checkpoints/supervised.keras"):
        weights, expected = (
            keras.saving.load_model(path / name).get_weights()
            for path in (run, other)
        )
        for a, b in zip(weights, expected, strict=True):
            np.testing.assert_array_equal(a, b)
    assert (run / "history.csv").read_text() == (
        other / "history.csv"
    ).read_text()
    metrics, expected = (
        json.loads((path / "metrics.json").read_text()) for path in (run, other)
    )
    for arm in (*metrics.values(), *expected.values()):
        assert arm.pop("train_seconds") > 0
    assert metrics == expected


def _interrupt(run_one, path, moments):
    for minutes, signal, where in moments:
        done = run_one(path, minutes, signal, where)
        assert done.returncode == KILLED[signal], (where, done.stderr)
        if signal != "SIGKILL":
            assert f"interrupted by {signal}; all is saved" in done.stderr
        assert not (path / "metrics.json").exists()


@pytest.mark.slow
def test_interrupted_anywhere_a_run_ends_as_if_left_alone(
    recipe, run_one, tmp_path
):
    recipe()
    alone = run_one(tmp_path / "alone")
    assert alone.returncode == 0, alone.stderr
    assert "Continuing" not in alone.stdout

    run = tmp_path / "run"
    _interrupt(
        run_one,
        run,
        [
            (0, "SIGKILL", "file split.json"),
            (0, "SIGKILL", "supervised 0 2"),
            (0, "SIGKILL", "checkpoint 2"),
            (10, "SIGTERM", "supervised 2 1"),
            # More than a batch since the last checkpoint.
            (10, "SIGKILL", "supervised 2 3"),
            (10, "SIGKILL", "pseudo_label 3 2"),
            (10, "SIGKILL", "file history.csv"),
            (10, "SIGINT", "pseudo_label 3 3"),
            (10, "SIGKILL", "checkpoint 1"),
            (10, "SIGKILL", "file classifier.keras"),
            (10, "SIGKILL", "file metrics.json"),
        ],
    )
    done = run_one(run)
    assert done.returncode == 0, done.stderr
    # The last kill was after all training.
    for arm in ("supervised", "pseudo_label"):
        assert f"interrupted run: {arm} after 4 of 4 epochs" in done.stdout
    _assert_same(run, tmp_path / "alone")
    left = [path.name for path in run.rglob(".partial*")]
    assert left == []

    again = run_one(run)
    assert again.returncode == 0, again.stderr
    assert f"{run} is finished; nothing is trained." in again.stdout
    _assert_same(run, tmp_path / "alone")


@pytest.mark.slow
def test_alternating_batches_with_adam_go_on_where_they_were(
    recipe, run_one, tmp_path
):
    recipe(
        stream="alternating",
        unlabeled_batches=2,
        optimizer="adam",
        momentum=0.0,
        learning_rate=0.01,
        t1=1.0,
        t2=5.0,
        epochs=3,
    )
    alone = run_one(tmp_path / "alone")
    assert alone.returncode == 0, alone.stderr
    _interrupt(
        run_one,
        tmp_path / "run",
        [
            (0, "SIGKILL", "supervised 1 4"),
            (0, "SIGKILL", "pseudo_label 1 7"),
            (10, "SIGTERM", "pseudo_label 2 4"),
        ],
    )
    done = run_one(tmp_path / "run")
    assert done.returncode == 0, done.stderr
    _assert_same(tmp_path / "run", tmp_path / "alone")


@pytest.mark.slow
def test_a_run_on_two_workers_goes_on(recipe, run_on_two, tmp_path):
    recipe(strategy="multi_worker")
    for status, out, err in run_on_two(tmp_path / "alone"):
        assert status == 0, err
        assert "Continuing" not in out

    run = tmp_path / "run"
    (status, _, lost), (killed, _, other) = run_on_two(
        run, 0, "SIGKILL", "supervised 2 0"
    )
    assert (status, killed) == (1, -9), lost + other
    assert "machine stopped answering" in lost.splitlines()[-1]
    assert "on every machine to go on" in lost.splitlines()[-1]
    assert "Traceback" not in lost
    for status, _, err in run_on_two(run, 10, "SIGTERM", "pseudo_label 2 0"):
        assert status == 143, err
        assert "interrupted by SIGTERM; all is saved" in err
    for status, out, err in run_on_two(run):
        assert status == 0, err
        assert "interrupted run: pseudo_label after 2 of 4 epochs" in out
    _assert_same(run, tmp_path / "alone")
    assert not list(tmp_path.glob("*/worker*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "choices",
    [
        {
            "teacher": "lagged",
            "target": "soft",
            "mixup": 4.0,
            "class_prior": 0.8,
            "minimum_entropy": 0.4,
        },
        {
            "selection": "top_share",
            "top_share": 0.3,
            "mean": "accepted",
            "batch_norm": "joint",
        },
    ],
    ids=["lagged, mixup", "top_share, joint"],
)
def test_what_the_choices_remember_is_saved(choices, recipe, run_one, tmp_path):
    """Ended amid an epoch whose labels are those of its beginning."""
    recipe(epochs=5, **choices)
    alone = run_one(tmp_path / "alone")
    assert alone.returncode == 0, alone.stderr

    run = tmp_path / "run"
    _interrupt(
        run_one,
        run,
        [
            (0, "SIGTERM", "pseudo_label 3 2"),
            (0, "SIGKILL", "pseudo_label 4 1"),
        ],
    )
    done = run_one(run)
    assert done.returncode == 0, done.stderr
    _assert_same(run, tmp_path / "alone")


@pytest.mark.slow
def test_pretraining_is_not_done_again(recipe, run_one, tmp_path):
    recipe(
        labeled_epochs=0, epochs=3, t1=0.0, t2=2.0, dae_epochs=2, dropout=0.5
    )
    alone = run_one(tmp_path / "alone")
    assert alone.returncode == 0, alone.stderr

    run = tmp_path / "run"
    _interrupt(run_one, run, [(0, "SIGKILL", "pseudo_label 1 1")])
    done = run_one(run)
    assert done.returncode == 0, done.stderr
    _assert_same(run, tmp_path / "alone")


@pytest.mark.slow
def test_self_training_goes_on_in_the_round_it_was_in(
    recipe, run_one, tmp_path
):
    """With what else Lee's experiments have: all of it is in variables."""
    recipe(
        teacher="lagged",
        restart_epochs=2,
        labeled_epochs=0,
        epochs=6,
        t1=2.0,
        t2=2.0,
        optimizer="lee2013",
        learning_rate_decay=0.9,
        momentum_epochs=2.0,
        dae_epochs=1,
        unlabeled_loss="entropy",
        steps_per_epoch=4,
    )
    alone = run_one(tmp_path / "alone")
    assert alone.returncode == 0, alone.stderr

    run = tmp_path / "run"
    _interrupt(
        run_one,
        run,
        [
            (0, "SIGKILL", "pseudo_label 1 2"),
            # Between two rounds, and just after.
            (0, "SIGKILL", "pseudo_label 2 0"),
            (0, "SIGTERM", "pseudo_label 4 1"),
        ],
    )
    done = run_one(run)
    assert done.returncode == 0, done.stderr
    _assert_same(run, tmp_path / "alone")
