import csv
import os
import pathlib
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

import tf_pseudolabel as tpl
from tf_pseudolabel.lab.cli import predict, program


@pytest.fixture
def status(status_of):
    return status_of(predict)


def _digits(path):
    images = load_digits().images.astype(np.uint8)[..., np.newaxis]
    np.save(path, images)
    return images


def test_predictions_are_those_of_the_classifier(
    finished_run, status, capsys, tmp_path
):
    images = _digits(tmp_path / "x.npy")

    code = status(
        finished_run, tmp_path / "x.npy", f"--output={tmp_path / 'p.csv'}"
    )

    out, err = capsys.readouterr()
    assert code == 0 and not err
    classifier = keras.saving.load_model(finished_run / "classifier.keras")
    logits = classifier.predict(images, verbose=0)
    with (tmp_path / "p.csv").open() as file:
        rows = list(csv.DictReader(file))
    labels = [row["label"] for row in rows]
    assert labels == [str(x) for x in logits.argmax(axis=1)]
    confidence = np.array([row["confidence"] for row in rows], np.float64)
    expected = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    np.testing.assert_allclose(confidence, expected.max(axis=1), rtol=1e-5)
    assert out.endswith(f"\nPredictions: {tmp_path / 'p.csv'}\n")
    assert (
        sum(
            int(line.split()[0].replace(",", ""))
            for line in out.splitlines()[:-1]
        )
        == 1797
    )


def test_some_rows_that_cannot_be_read(status, capsys, tmp_path):
    classifier = keras.Sequential([keras.Input((2,)), keras.layers.ReLU()])
    model = tpl.serving.with_labels(classifier, ["p", "q"])
    model.export(tmp_path / "model", verbose=False)
    np.save(tmp_path / "x.npy", np.array([[1, 0], [np.nan, 0], [0, 1.0]]))

    code = status(
        tmp_path / "model", tmp_path / "x.npy", f"--output={tmp_path / 'p.csv'}"
    )

    assert code == program.SET_ASIDE == 3
    assert capsys.readouterr().err == (
        "Rows that could not be read: 1; they are listed in "
        f"{tmp_path / 'p.unreadable.csv'}.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "got 0 of them"),
        (["run"], 2, "got 1 of them"),
        (["run", "x.npy"], 2, "got no --output"),
        (["gone", "x.npy", "--output=p.csv"], 1, "got gone (there is none)"),
    ],
)
def test_wrong_arguments_are_one_line(
    arguments, code, message, status, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)

    assert status(*arguments) == code
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and message in err
    assert not os.listdir(tmp_path)


def test_help_needs_no_tensorflow():
    program = "import sys; from tf_pseudolabel.lab.cli import predict; "
    program += "assert 'tensorflow' not in sys.modules; predict.run()"
    ran = subprocess.run(
        [sys.executable, "-c", program, "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0 and "--id_column" in ran.stdout, ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_ended_in_the_middle_it_goes_on(finished_run, tmp_path, number):
    images = _digits(tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", np.tile(images, (100, 1, 1, 1)))
    command = [sys.executable, "-m", "tf_pseudolabel.lab.cli.predict"]
    command += [finished_run, "x.npy"]
    whole, output = "--output=whole.csv", "--output=p.csv"
    subprocess.run([*command, whole], cwd=tmp_path, check=True)
    parts = pathlib.Path(tmp_path, ".p.csv.parts")

    started = subprocess.Popen(
        [*command, output], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    while not list(parts.glob("[!.]*")):
        time.sleep(0.01)
    started.send_signal(number)
    err = started.communicate()[1]
    assert not (tmp_path / "p.csv").exists()
    done = {x.name: x.stat().st_mtime_ns for x in parts.glob("[!.]*")}
    assert 0 < len(done) < 18
    if number == signal.SIGINT:
        assert started.returncode == 130 and "the same command goes on" in err

    restarted = subprocess.Popen([*command, output], cwd=tmp_path)
    while not (tmp_path / "p.csv").exists():
        again = {}
        for part in parts.glob("[!.]*"):
            try:
                again[part.name] = part.stat().st_mtime_ns
            except FileNotFoundError:
                break
        else:
            assert all(again.get(x, t) == t for x, t in done.items())
        time.sleep(0.01)
    assert restarted.wait() == 0
    same = (tmp_path / "p.csv").read_bytes()
    assert same == (tmp_path / "whole.csv").read_bytes()
