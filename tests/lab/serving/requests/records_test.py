import json
import types

import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving import requests
from tf_pseudolabel.lab.serving.about import About
from tf_pseudolabel.lab.serving.requests import Options, records

# Length, its checksum, content, checksum.
HEAD, AROUND = 12, 16


def _model(shape, dtype=tf.float32):
    return types.SimpleNamespace(
        inputs={"x": tf.TensorSpec((None, *shape), dtype)},
        about=About(("p", "q"), "images", (), "stretch"),
    )


def _example(**values):
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        if isinstance(value, bytes)
        else tf.train.Feature(float_list=tf.train.FloatList(value=value))
        for name, value in values.items()
    }
    return tf.train.Example(
        features=tf.train.Features(feature=features)
    ).SerializeToString()


def _write(path, examples):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            writer.write(example)
    return path


def _features(tmp_path, dtype, shape=None):
    path = tmp_path / "features.json"
    value = {"name": "v", "dtype": dtype}
    value |= {"shape": shape} if shape else {}
    label = {"name": "label", "dtype": "int64"}
    path.write_text(json.dumps({"input": value, "label": label}))
    return Options(features_file=str(path))


def _read(path, model, options):
    chunks = list(requests.chunks(model, [str(path)], options))
    rows = [rows for chunk in chunks for rows in chunk.read()]
    return np.concatenate([x.inputs["x"] for x in rows]), rows, chunks


def test_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MOST_ROWS", 4)
    monkeypatch.setattr(records, "AT_ONCE", 3)
    x = np.arange(18, dtype=np.float32).reshape(9, 2)
    path = _write(tmp_path / "a.tfrecord", [_example(v=row) for row in x])

    found, rows, chunks = _read(
        path, _model((2,)), _features(tmp_path, "float32", [2])
    )

    np.testing.assert_array_equal(found, x)
    assert [chunk.size for chunk in chunks] == [4, 4, 1]
    ids = [name for part in rows for name in part.ids]
    assert ids == [f"{path}:{row}" for row in range(9)]


def test_a_channel_need_not_be_written_out(tmp_path):
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    path = _write(tmp_path / "a.tfrecord", [_example(v=row) for row in x])

    found, *_ = _read(
        path, _model((2, 2, 1)), _features(tmp_path, "float32", [2, 2])
    )

    np.testing.assert_array_equal(found, x.reshape(2, 2, 2, 1))


def test_damaged_records_are_set_aside_and_others_read(tmp_path):
    examples = [_example(v=[float(row)]) for row in range(6)]
    examples[4] = _example(other=[1.0])
    examples[5] = _example(v=[np.nan])
    path = _write(tmp_path / "a.tfrecord", examples)
    content = bytearray(path.read_bytes())
    # A byte within the second record: its checksum tells.
    content[len(examples[0]) + AROUND + HEAD + 3] ^= 1
    path.write_bytes(bytes(content) + b"\x05\x00")

    found, rows, _ = _read(
        path, _model((1,)), _features(tmp_path, "float32", [1])
    )

    np.testing.assert_array_equal(found, [[0], [2], [3]])
    bad = [x for part in rows for x in part.bad]
    assert [x.id.rpartition(":")[2] for x in bad] == ["1", "4", "5", "6"]
    assert "corrupted" in bad[0].reason
    assert bad[2].reason == "NaN or infinity"
    assert bad[3].reason == f"the file is damaged from byte {len(content)} on"


def test_images_are_decoded_and_resized(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)
    png = tf.io.encode_png(pixels).numpy()
    path = _write(tmp_path / "a.tfrecord", [_example(v=png), _example(v=b"x")])

    found, rows, _ = _read(
        path, _model((4, 4, 3), tf.uint8), _features(tmp_path, "image")
    )

    np.testing.assert_array_equal(found, [pixels])
    assert [x.id for x in rows[0].bad] == [f"{path}:1"]


def test_what_cannot_be_meant(tmp_path):
    options = _features(tmp_path, "float32", [3])
    path = _write(tmp_path / "a.tfrecord", [_example(v=[1.0, 2.0, 3.0])])
    (tmp_path / "b.tfrecord").write_bytes(b"nothing of the kind at all")

    with pytest.raises(InputError, match="--features_file must say"):
        _read(path, _model((3,)), Options())
    with pytest.raises(InputError, match=r"shape \(2,\); got \(3,\)"):
        _read(path, _model((2,)), options)
    with pytest.raises(InputError, match="TFRecord file that is not compress"):
        _read(tmp_path / "b.tfrecord", _model((3,)), options)
