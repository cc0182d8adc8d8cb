"""A run directory is data: nothing that it names is executed unasked."""

import json
import os
import shutil

import keras
import pytest

from tf_pseudolabel.lab.cli import evaluate, report
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.runs import exports, results

FILE = """
import pathlib

import keras

pathlib.Path({marker!r}).touch()

@keras.saving.register_keras_serializable("{package}")
class Same(keras.layers.Layer):
    def call(self, x):
        return x

def build(spec, num_classes): ...
"""


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "executed"


@pytest.fixture
def of_another(finished_run, tmp_path, marker):
    """A run whose classifier needs a file that does more than it says."""
    path = shutil.copytree(finished_run, tmp_path / "run")
    package = f"package_{tmp_path.name}"
    file = tmp_path / "network.py"
    file.write_text(FILE.format(marker=str(marker), package=package))
    record = json.loads((path / "recipe.json").read_text())
    record["recipe"]["network"] = f"{file}:build"
    (path / "recipe.json").write_text(json.dumps(record))

    class Same(keras.layers.Layer):
        def call(self, x):
            return x

    known = keras.saving.get_custom_objects()
    with keras.saving.CustomObjectScope({}):
        keras.saving.register_keras_serializable(package)(Same)
        for file in ("classifier.keras", "checkpoints/supervised.keras"):
            inner = keras.saving.load_model(path / file, compile=False)
            (x,), (y,) = inner.inputs, inner.outputs
            keras.Model(x, Same()(y)).save(path / file)
        known.pop(f"{package}>Same")
    return path


@pytest.mark.parametrize("program", [evaluate, report])
def test_a_file_that_a_run_names_is_not_executed(
    program, of_another, marker, exit_status, capsys
):
    assert exit_status(program.main, of_another) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "network.py:build, which is executed with --trust alone" in err
    assert not marker.exists()


def test_it_is_executed_when_the_user_says_so(
    of_another, marker, exit_status, capsys
):
    assert exit_status(evaluate.main, of_another, "--trust") == 0
    assert marker.exists()


def test_a_network_of_keras_layers_needs_no_file(
    finished_run, tmp_path, exit_status
):
    path = shutil.copytree(finished_run, tmp_path / "run")
    record = json.loads((path / "recipe.json").read_text())
    record["recipe"]["network"] = "/nowhere/network.py:build"
    (path / "recipe.json").write_text(json.dumps(record))
    assert exit_status(evaluate.main, path) == 0


def test_a_lambda_is_refused_though_trusted(finished_run, tmp_path, marker):
    path = shutil.copytree(finished_run, tmp_path / "run")
    keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Lambda(lambda x, m=str(marker): (os.mknod(m), x)[1]),
        ]
    ).save(path / "classifier.keras")
    marker.unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"data alone.*Lambda.*is code") as no:
        results.load(path, trust=True)
    assert len(str(no.value).splitlines()) == 1
    assert not marker.exists()


def test_nothing_is_executed_to_export(of_another, marker, tmp_path):
    place = tmp_path / "model.keras"
    with pytest.raises(InputError, match=r"executed with --trust alone"):
        exports.export(of_another, "keras", place)
    assert not marker.exists()
    exports.export(of_another, "keras", place, trust=True)
    assert marker.exists() and place.exists()
