import json
import os
import shutil

import pytest
import tensorflow as tf

from tf_pseudolabel.lab.cli import export


@pytest.fixture
def status(status_of):
    return status_of(export)


def test_a_version_for_tensorflow_serving(
    finished_run, status, capsys, tmp_path
):
    served = tmp_path / "served"
    assert status(finished_run, f"--output={served}") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"Exported: {served}/1 (")
    assert lines[1].endswith("of the classifier's on 60 test rows")
    assert "ms for 1 row, " in lines[2] and "for 256 rows (med" in lines[2]
    assert len(lines) == 3
    signature = tf.saved_model.load(served / "1").signatures["serving_default"]
    assert [*signature.structured_input_signature[1]] == ["images"]
    assert status(finished_run, f"--output={served}") == 0
    assert sorted(os.listdir(served)) == ["1", "2"]
    assert status(finished_run, f"--output={served}", "--version=2") == 1
    assert "got 2, which is in" in capsys.readouterr().err


def test_a_file_of_numbers_says_what_it_lacks(
    finished_run, status, capsys, tmp_path
):
    place = tmp_path / "model.onnx"
    assert status(finished_run, "--format=onnx", f"--output={place}") == 0
    out = capsys.readouterr().out
    assert "ONNX holds numbers alone: it gives probabilities, and" in out
    names = json.loads((tmp_path / "model.json").read_text())["class_names"]
    assert names == [*"0123456789"]


def test_random_rows_where_there_are_no_others(
    finished_run, status, capsys, tmp_path
):
    run = shutil.copytree(finished_run, tmp_path / "run")
    (run / "split.json").write_text('{"test": ["gone"]}')
    place = tmp_path / "model.keras"
    assert status(run, "--format=keras", f"--output={place}") == 0
    out = capsys.readouterr().out
    assert "on 256 random rows, as the data cannot be read: a split must" in out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--output=m"], "takes one run directory; got 0 arguments"),
        (["a", "b", "--output=m"], "takes one run directory; got 2 arguments"),
        (["a"], "--output must say where to write; got none"),
        (["a", "--output=m", "--format=pickle"], "should be one of"),
        (["a", "--output=m", "--version=0"], "not a positive integer"),
        (
            ["a", "--output=m.onnx", "--format=onnx", "--version=3"],
            "--version is for --format=saved_model; got --format=onnx",
        ),
    ],
)
def test_wrong_arguments(arguments, problem, status, capsys):
    assert status(*arguments) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and problem in err


def _no_run(run):
    (run / "metrics.json").unlink()


def _earlier_version(run):
    shutil.rmtree(run / "saved_model" / "assets.extra")


def _damaged_preprocessing(run):
    (run / "preprocessing.keras").write_bytes(b"PK")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (_no_run, "holds metrics.json"),
        (_earlier_version, "a SavedModel that knows its classes"),
        (_damaged_preprocessing, "preprocessing.keras, which cannot be"),
    ],
)
def test_what_is_no_finished_run(
    damage, problem, finished_run, status, capsys, tmp_path
):
    run = shutil.copytree(finished_run, tmp_path / "run")
    damage(run)
    assert status(run, f"--output={tmp_path}/served") == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and problem in err
    assert not (tmp_path / "served").exists()


def test_help_needs_no_tensorflow(status, capsys):
    assert status("--help") == 0
    out = capsys.readouterr().out
    assert "--format" in out and "openvino: an .xml file" in out
    assert "--[no]trust" in out
