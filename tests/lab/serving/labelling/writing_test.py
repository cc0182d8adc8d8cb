import pathlib

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.serving.labelling import writing
from tf_pseudolabel.lab.serving.labelling.runner import Runner


class Chunk:
    size = 3


class Rows:
    table = pyarrow.table(
        {
            "id": ["a", 'b, "c"\n', "ü"],
            "label": ["p", "q", "p"],
            "confidence": np.array([0.5, 0.25, 1.0], np.float32),
            "source": ["model", "person", "model"],
            "probabilities": [[0.5, 0.5], [0.75, 0.25], [1.0, 0.0]],
        }
    )


class Reader:
    def read(self, number, *columns):
        del number, columns
        return Rows()


class Plan:
    """The first row twice, the second not at all."""

    def copies(self, rows):
        del rows
        return np.array([2, 0, 1])


def _write(folder, kind, columns=()):
    return writing.write(
        [Chunk()] * 2,
        Reader(),
        Plan(),
        "fingerprint",
        str(folder),
        kind,
        columns,
        Runner().pipeline,
    )


def test_tables(tmp_path):
    (name,) = _write(tmp_path, "parquet", ("probabilities",))

    assert name == "labels-00000-of-00001.parquet"
    table = pyarrow.parquet.read_table(tmp_path / name).to_pydict()
    assert table["id"] == ["a", "a", "ü"] * 2
    assert table["source"] == ["model"] * 6
    assert table["teacher"] == ["fingerprint"] * 6
    assert table["probabilities"][2] == [1.0, 0.0]


def test_records(tmp_path):
    (name,) = _write(tmp_path, "tfrecord")

    spec = {
        "id": tf.io.FixedLenFeature((), tf.string),
        "label": tf.io.FixedLenFeature((), tf.string),
        "confidence": tf.io.FixedLenFeature((), tf.float32),
    }
    records = tf.data.TFRecordDataset(str(tmp_path / name))
    rows = [tf.io.parse_single_example(record, spec) for record in records]
    assert [row["id"].numpy().decode() for row in rows] == ["a", "a", "ü"] * 2
    assert [float(row["confidence"]) for row in rows[:3]] == [0.5, 0.5, 1.0]


@pytest.mark.parametrize("kind", writing.FORMATS)
def test_files_are_no_larger_than_they_are_to_be(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(writing, "_ROWS", 3)

    names = _write(tmp_path, kind)

    assert names == [f"labels-0000{i}-of-00002.{kind}" for i in range(2)]
    assert sorted(x.name for x in pathlib.Path(tmp_path).iterdir()) == names
