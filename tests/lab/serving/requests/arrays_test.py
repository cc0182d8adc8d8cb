import types

import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving import requests
from tf_pseudolabel.lab.serving.requests import Options, arrays


def _model(shape, dtype=tf.float32):
    return types.SimpleNamespace(
        inputs={"x": tf.TensorSpec((None, *shape), dtype)}, about=None
    )


def _read(path, model):
    chunks = list(requests.chunks(model, [str(path)], Options()))
    return chunks, [rows for chunk in chunks for rows in chunk.read()]


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_rows(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(arrays, "MOST_ROWS", 4)
    monkeypatch.setattr(arrays, "AT_ONCE", 3)
    x = np.arange(20, dtype=np.float64).reshape(10, 2)
    x[6, 1] = np.nan
    path = tmp_path / f"a{suffix}"
    save = np.save if suffix == ".npy" else np.savez
    save(path, x) if suffix == ".npy" else save(path, x=x, y=np.zeros(3))

    chunks, rows = _read(path, _model((2,)))

    assert [chunk.size for chunk in chunks] == [4, 4, 2]
    found = np.concatenate([part.inputs["x"] for part in rows])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.delete(x, 6, axis=0))
    ids = [name for part in rows for name in part.ids]
    assert ids == [f"{path}:{row}" for row in range(10) if row != 6]
    assert [x for part in rows for x in part.bad] == [
        (f"{path}:6", "NaN or infinity")
    ]


def test_a_channel_need_not_be_written_out(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((3, 4, 5), np.uint8))

    _, (rows,) = _read(tmp_path / "a.npy", _model((4, 5, 1), tf.uint8))

    assert rows.inputs["x"].shape == (3, 4, 5, 1)


def test_a_file_that_changes_is_read_anew(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, np.zeros((3, 2)))
    _read(path, _model((2,)))
    np.savez(path, np.ones((4, 2)))

    _, (rows,) = _read(path, _model((2,)))

    np.testing.assert_array_equal(rows.inputs["x"], np.ones((4, 2)))


@pytest.mark.parametrize(
    ("given", "shape", "dtype", "message"),
    [
        (np.ones((2, 3)), (2,), tf.float32, r"got float64 of shape \(3,\)"),
        (np.array(["a"]), (), tf.float32, "got <?U1|got str"),
        (np.ones((2, 3)), (3,), tf.uint8, "must be uint8, as in training"),
        (
            np.ones((2, 4, 5, 1), np.uint8),
            (4, 5, 1),
            tf.float32,
            "must be float32, as in training; got uint8; convert them to its",
        ),
        (np.float32(3), (), tf.float32, r"of shape \(\)"),
    ],
)
def test_rows_that_do_not_fit(tmp_path, given, shape, dtype, message):
    np.save(tmp_path / "a.npy", given)

    with pytest.raises(InputError, match=message):
        _read(tmp_path / "a.npy", _model(shape, dtype))


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"no")
    np.savez(tmp_path / "b.npz", a=np.ones(2), b=np.ones(2))

    with pytest.raises(InputError, match="must be a file of arrays"):
        _read(tmp_path / "a.npy", _model(()))
    with pytest.raises(InputError, match="must be called x; got a, b"):
        _read(tmp_path / "b.npz", _model(()))
    text = types.SimpleNamespace(
        inputs={"t": tf.TensorSpec((None,), tf.string)}, about=None
    )
    with pytest.raises(InputError, match="for models of numbers or images"):
        _read(tmp_path / "a.npy", text)


def test_whole_numbers_must_be_given_as_such(tmp_path):
    x = np.array([[1.0, 2.0], [0.99, 1.0], [np.nan, 1.0], [1e30, 1.0]])
    path = tmp_path / "a.npy"
    np.save(path, x)

    _, (rows,) = _read(path, _model((2,), tf.int64))

    assert rows.inputs["x"].tolist() == [[1, 2]]
    reason = "not int64 as in training"
    assert rows.bad == [(f"{path}:{row}", reason) for row in (1, 2, 3)]
