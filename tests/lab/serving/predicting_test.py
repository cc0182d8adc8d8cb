import os
import pathlib
import types

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving import predicting
from tf_pseudolabel.lab.serving.about import About
from tf_pseudolabel.lab.serving.requests import arrays

NAMES = ("a", "b, c", "d")


class Model:
    """Rows are their probabilities."""

    path = pathlib.Path("m")
    about = About(NAMES, "rows")
    inputs = types.MappingProxyType({"x": tf.TensorSpec((None, 3), tf.float32)})
    fingerprint = "f"

    def __init__(self):
        self.asked = 0

    def answer(self, inputs):
        (x,) = inputs.values()
        self.asked += len(x)
        labels = np.array(NAMES, object)[x.argmax(axis=1)]
        return {
            "probabilities": x,
            "label": labels,
            "confidence": x.max(axis=1),
        }


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "MOST_ROWS", 4)
    x = np.random.default_rng(0).dirichlet(np.ones(3), 10).astype(np.float32)
    x[5] = np.nan
    np.save(tmp_path / "x.npy", x)
    return x


def test_every_row_has_its_classes(tmp_path, rows):
    output = tmp_path / "new" / "p.csv"

    summary = predicting.predict(
        Model(), [str(tmp_path / "x.npy")], output, top=3
    )

    frame = pd.read_csv(output)
    good = [row for row in range(10) if row != 5]
    assert list(frame["id"]) == [f"{tmp_path}/x.npy:{row}" for row in good]
    order = np.argsort(-rows[good], axis=1)
    for rank, suffix in enumerate(["", "_2", "_3"]):
        labels = [NAMES[i] for i in order[:, rank]]
        assert list(frame[f"label{suffix}"]) == labels
        np.testing.assert_array_equal(
            frame[f"confidence{suffix}"].astype(np.float32),
            rows[good, order[:, rank]],
        )
    assert summary.rows == frame["label"].value_counts().to_dict()
    assert summary.unreadable == 1
    listed = pd.read_csv(tmp_path / "new" / "p.unreadable.csv")
    assert listed.to_numpy().tolist() == [
        [f"{tmp_path}/x.npy:5", "NaN or infinity"]
    ]
    assert sorted(os.listdir(tmp_path / "new")) == ["p.csv", "p.unreadable.csv"]


class StoppedError(Exception):
    pass


def _stop_after(count):
    calls = iter(range(count + 1))

    def interrupted():
        if next(calls) == count:
            raise StoppedError

    return interrupted


def test_the_same_command_goes_on(tmp_path, rows):
    paths, output = [str(tmp_path / "x.npy")], tmp_path / "p.jsonl"
    predicting.predict(Model(), paths, tmp_path / "whole.jsonl")
    with pytest.raises(StoppedError):
        predicting.predict(Model(), paths, output, interrupted=_stop_after(2))
    assert not output.exists()
    model = Model()

    predicting.predict(model, paths, output)

    assert model.asked == 2
    assert output.read_text() == (tmp_path / "whole.jsonl").read_text()


def test_what_has_changed_is_done_again(tmp_path, rows):
    paths, output = [str(tmp_path / "x.npy")], tmp_path / "p.csv"
    with pytest.raises(StoppedError):
        predicting.predict(Model(), paths, output, interrupted=_stop_after(2))
    np.save(tmp_path / "x.npy", rows[:, ::-1])
    os.utime(tmp_path / "x.npy", ns=(0, 0))
    model = Model()

    summary = predicting.predict(model, paths, output)

    assert model.asked == 9 and sum(summary.rows.values()) == 9


def test_another_model_begins_anew(tmp_path, rows):
    paths, output = [str(tmp_path / "x.npy")], tmp_path / "p.csv"
    with pytest.raises(StoppedError):
        predicting.predict(Model(), paths, output, interrupted=_stop_after(2))
    model = Model()
    model.fingerprint = "g"

    predicting.predict(model, paths, output)

    assert model.asked == 9


def test_a_list_of_earlier_rows_goes(tmp_path, rows):
    path, output = tmp_path / "x.npy", tmp_path / "p.csv"
    predicting.predict(Model(), [str(path)], output)
    np.save(path, rows[:5])

    summary = predicting.predict(Model(), [str(path)], output)

    assert summary.listed is None
    assert not (tmp_path / "p.unreadable.csv").exists()


def test_what_cannot_be_meant_is_one_line_and_writes_nothing(tmp_path, rows):
    given = [str(tmp_path / "x.npy")]
    other = Model()
    other.about = None
    for model, paths, name, top, message in [
        (Model(), given, "p.xlsx", 1, "must end in .csv"),
        (
            Model(),
            given,
            "p.csv",
            4,
            "from 1 to 3, the .*; got 4",
        ),
        (Model(), given, "p.csv", 0, "from 1 to 3"),
        (other, given, "p.csv", 2, "a model that names all classes"),
        (Model(), [*given, "gone.npy"], "p.csv", 1, "got gone.npy"),
    ]:
        with pytest.raises(InputError, match=message):
            predicting.predict(model, paths, tmp_path / name, top=top)
    assert os.listdir(tmp_path) == ["x.npy"]


def test_a_place_that_cannot_be_written(tmp_path, rows):
    (tmp_path / "file").touch()

    with pytest.raises(InputError, match="could not be written: Not a direct"):
        predicting.predict(
            Model(), [str(tmp_path / "x.npy")], tmp_path / "file" / "p.csv"
        )


def test_nobody_elses_files_are_replaced(tmp_path, rows):
    given = tmp_path / "x.npy"
    before = given.read_bytes()
    folder, text = tmp_path / "p.csv", tmp_path / "q.unreadable.csv"
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")
    text.write_text("mine")
    link = tmp_path / "link.csv"
    link.symlink_to(given)
    for output, message in [
        (folder, "the file to write; got the directory .*p.csv; name a file"),
        (tmp_path / "p.jsonl", None),
        (link, "another file than what is read; got .*link.csv; name another"),
        (tmp_path / "q.csv", "q.unreadable.csv would be replaced .* name ano"),
    ]:
        if message is None:
            predicting.predict(Model(), [str(given)], output)
            continue
        with pytest.raises(InputError, match=message):
            predicting.predict(Model(), [str(given)], output)
    assert given.read_bytes() == before
    assert (folder / "thesis.txt").read_text() == "precious"
    assert text.read_text() == "mine"
