import importlib.util
import os
import pathlib
import signal
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tf_pseudolabel
from tf_pseudolabel.lab.cli import label
from tf_pseudolabel.lab.data.kinds import Encoding, Kind
from tf_pseudolabel.lab.serving import saved_model
from tf_pseudolabel.lab.serving.requests import arrays
from tf_pseudolabel.lab.serving.served import Served

NAMES = ('a, "b"\n\t', "$x <i>&amp;", "日本 ü")
ROOT = pathlib.Path(tf_pseudolabel.__file__).parents[1]


@pytest.fixture
def status(status_of):
    return status_of(label)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    keras.utils.set_random_seed(0)
    classifier = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    path = tmp_path_factory.mktemp("models") / "tiny"
    encoding = Encoding(tf.TensorSpec((3,)))
    saved_model.write(classifier, encoding, Kind(), NAMES, "softmax", path)
    return path


def _write(path, count=60):
    rows = np.random.default_rng(0).normal(size=(count, 3))
    np.save(path, rows.astype(np.float32))
    return rows


def test_a_table_and_where_the_files_are(model, status, capsys, tmp_path):
    for name in "xy":
        _write(tmp_path / f"{name}.npy")
    output = tmp_path / "out"

    code = status(
        model,
        f"--input={tmp_path / 'x.npy'}",
        f"--input={tmp_path / 'y.npy'}",
        f"--output={output}",
        "--share=0.5",
        "--balance",
        "--",
        "--direct_num_workers=1",
    )

    out, err = capsys.readouterr()
    assert code == 0 and not err
    head, *lines, last = out.splitlines()
    assert head.split() == ["seen", "kept", "written", "label"]
    assert last == f"Labels: {output}/labels (1 files)"
    cells = [line.split(maxsplit=3) for line in lines]
    shown = ['a, "b"\\n\\t', "$x <i>&amp;", "日本 ü"]
    assert [x[3] for x in cells] == shown
    assert sum(int(x[0]) for x in cells) == 120
    assert len({x[2] for x in cells}) == 1
    found = pd.read_parquet(output / "labels")
    counts = found["label"].value_counts()
    assert [str(counts[x]) for x in NAMES] == [x[2] for x in cells]


def test_rows_set_aside_are_status_3(model, status, capsys, tmp_path):
    rows = _write(tmp_path / "x.npy")
    rows[5] = np.inf
    np.save(tmp_path / "x.npy", rows)
    given = (
        *(model, f"--input={tmp_path / 'x.npy'}"),
        f"--output={tmp_path / 'out'}",
    )

    assert status(*given) == 3
    assert "could not be read: 1; they are listed" in capsys.readouterr().err
    assert status(*given, "--on_bad_row=stop") == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and "x.npy:5: NaN or infinity" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "takes a model and --input; got no model. Usage"),
        (("m",), 2, "got no --input"),
        (("--input=x", "--", "--runner=x"), 2, "got no model"),
        (("m", "--input=x"), 2, "takes --output; got none"),
        (("m", "x", "--input=x", "--output=o"), 2, "--input, and flags of Be"),
        (("m", "--input=x", "--output=o", "--format=csv"), 2, "format"),
        (("m", "--input=x", "--output=o", "--share=2"), 1, "got 2.0"),
        (("m", "--input=x", "--output=o"), 1, "got m (there is none)"),
        (
            ("m", "--input=x", "--output=o", "--runner=Nobody"),
            *(1, "must be one of Beam's that is installed; got Nobody (Unexp"),
        ),
        (
            ("m", "--input=x", "--output=o", "--", "--direct_num_worker=2"),
            *(1, "must know the flags after --; got --direct_num_worker"),
        ),
    ],
)
def test_what_cannot_be_meant(
    arguments, code, message, status, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert status(*arguments) == code
    err = capsys.readouterr().err
    assert message in err and len(err.splitlines()) == 1
    assert not [*tmp_path.iterdir()]


def test_without_beam_it_says_what_to_install(status, capsys, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "apache_beam" else find(name),
    )
    assert status("m", "--input=x", "--output=o") == 1
    assert 'pip install "tf_pseudolabel[beam]"' in capsys.readouterr().err


_KILLED = """
import os, signal, sys
import pyarrow.parquet
from tf_pseudolabel.lab.cli import label
from tf_pseudolabel.lab.serving.requests import arrays

arrays.MOST_ROWS = 10
write, count = pyarrow.parquet.write_table, 0

def killed(table, path):
    global count
    count += 1
    write(table, path)
    if count == 4:
        # Before it is moved to its place.
        os.kill(os.getpid(), signal.SIGKILL)

pyarrow.parquet.write_table = killed
label.run()
"""


@pytest.mark.slow
def test_killed_in_the_middle_and_started_again(
    model, status, tmp_path, monkeypatch
):
    monkeypatch.setattr(arrays, "MOST_ROWS", 10)
    _write(tmp_path / "x.npy")
    output = tmp_path / "out"
    given = (model, f"--input={tmp_path / 'x.npy'}")
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, *given, f"--output={output}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert killed.returncode == -signal.SIGKILL
    scores = output / "scores"
    first = {x: x.stat().st_mtime_ns for x in scores.glob("[!.]*")}
    assert len(first) == 3 and len([*scores.glob(".*")]) == 1
    assert not (output / "labels").exists()

    assert status(*given, f"--output={output}") == 0

    found = {x: x.stat().st_mtime_ns for x in scores.iterdir()}
    assert len(found) == 6
    assert {x: found[x] for x in first} == first
    assert status(*given, f"--output={tmp_path / 'at once'}") == 0
    name = "labels/labels-00000-of-00001.parquet"
    at_once = pd.read_parquet(tmp_path / "at once" / name)
    found = pd.read_parquet(output / name)
    # Another process may round otherwise.
    pd.testing.assert_frame_equal(found, at_once, rtol=1e-5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_one_line_and_loses_nothing(
    number, model, status, capsys, tmp_path, monkeypatch
):
    monkeypatch.setattr(arrays, "MOST_ROWS", 10)
    _write(tmp_path / "x.npy")
    given = (model, f"--input={tmp_path / 'x.npy'}")
    answer, asked = Served.answer, []

    def interrupted(served, inputs):
        asked.append(inputs)
        if len(asked) == 3:
            os.kill(os.getpid(), number)
        return answer(served, inputs)

    monkeypatch.setattr(Served, "answer", interrupted)

    assert status(*given, f"--output={tmp_path / 'out'}") == 128 + number

    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert f"interrupted by {number.name}; all is saved, and" in err
    assert len([*(tmp_path / "out" / "scores").iterdir()]) == 2
    assert status(*given, f"--output={tmp_path / 'out'}") == 0
    assert len(asked) == 3 + 4


def test_a_runner_that_cannot_run_is_one_line(model, status, capsys, tmp_path):
    _write(tmp_path / "x.npy")
    code = status(
        *(model, f"--input={tmp_path / 'x.npy'}"),
        *(f"--output={tmp_path / 'out'}", "--runner=PortableRunner"),
        *("--", "--job_endpoint=localhost:1", "--job_server_timeout=1"),
    )
    err = capsys.readouterr().err
    assert code == 1 and len(err.splitlines()) == 1
    assert "--runner=PortableRunner must be able to run pipelines; got" in err


@pytest.mark.slow
def test_processes_at_once_write_the_same(model, status, tmp_path, monkeypatch):
    _write(tmp_path / "x.npy", 30_000)
    given = (model, f"--input={tmp_path / 'x.npy'}", "--share=0.5")
    one, many = tmp_path / "one", tmp_path / "many"
    mode = "--direct_running_mode=multi_processing"
    processes = ("--", mode, "--direct_num_workers=2")
    assert status(*given, f"--output={one}") == 0
    # Workers import what is here.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert status(*given, f"--output={many}", *processes) == 0
    ours, theirs = (
        pd.read_parquet(folder / "labels").set_index("id")
        for folder in (one, many)
    )
    both = ours.index.intersection(theirs.index)
    # Other processes may round otherwise, and a row at the cut be another.
    assert len(ours) == len(theirs) and len(both) >= len(ours) - 3
    pd.testing.assert_frame_equal(ours.loc[both], theirs.loc[both], rtol=1e-5)
