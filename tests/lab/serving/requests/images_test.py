import types

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.data import folders
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving import requests
from tf_pseudolabel.lab.serving.about import About
from tf_pseudolabel.lab.serving.requests import Options, images

SHAPE = (6, 5, 3)


def model(shape=SHAPE, mode="pad"):
    return types.SimpleNamespace(
        inputs={"x": tf.TensorSpec((None, *shape), tf.uint8)},
        about=About(("p", "q"), "images", (), mode),
    )


def _saved(path, seed, size=(9, 8), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (*size, 3) if mode == "RGB" else size
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    PIL.Image.fromarray(pixels).save(path, **options)


def _read(paths, *given):
    chunks = list(requests.chunks(model(*given), paths, Options()))
    return chunks, [rows for chunk in chunks for rows in chunk.read()]


def test_files_are_what_training_sees(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x112] = 6
    for label in "pq":
        folder = tmp_path / "train" / label
        _saved(folder / "a.png", ord(label))
        _saved(folder / "turned.jpg", ord(label) + 2, exif=exif)
        _saved(folder / "grey.bmp", ord(label) + 4, mode="L")
    data = folders.load(
        str(tmp_path / "train"), image_size=SHAPE[:2], resize="pad"
    )

    _, (rows,) = _read([str(tmp_path / "train")])

    order = np.argsort(data.train.ids)
    seen = [f"{tmp_path}/train/{x[len('labeled/') :]}" for x in data.train.ids]
    assert sorted(rows.ids) == sorted(seen) and not rows.bad
    found = dict(zip(rows.ids, rows.inputs["x"], strict=True))
    pixels = data.train.read()
    for row in order:
        np.testing.assert_array_equal(found[seen[row]], pixels[row])


def test_what_cannot_be_read_is_set_aside(tmp_path):
    _saved(tmp_path / "a.png", 0)
    (tmp_path / "b.png").write_bytes(b"nothing")
    (tmp_path / "c.jpg").write_bytes(b"")
    _saved(tmp_path / "d.tif", 1)
    (tmp_path / "notes.txt").write_text("not an image, and not looked at")

    _, (rows,) = _read([str(tmp_path), str(tmp_path / "gone.png")][:1])

    assert [x.rpartition("/")[2] for x in rows.ids] == ["a.png", "d.tif"]
    assert rows.inputs["x"].shape == (2, *SHAPE)
    assert [(x.id[-5:], x.reason) for x in rows.bad] == [
        ("b.png", "not an image"),
        ("c.jpg", "empty"),
    ]


def test_grey_models_take_colours(tmp_path):
    _saved(tmp_path / "a.png", 0)
    _saved(tmp_path / "b.tif", 0)

    _, (rows,) = _read([str(tmp_path)], (9, 8, 1))

    first, second = rows.inputs["x"].astype(int)
    assert np.abs(first - second).max() <= 1


def test_a_changed_file_is_another_chunk(tmp_path):
    _saved(tmp_path / "a.png", 0)
    ((first,), _), ((again,), _) = (_read([str(tmp_path)]) for _ in range(2))
    _saved(tmp_path / "a.png", 1, (12, 12))
    (changed,), _ = _read([str(tmp_path)])

    assert first == again and first.key != changed.key


def test_chunks_of_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(requests, "MOST_FILES", 2)
    monkeypatch.setattr(images, "AT_ONCE", 1)
    for number in range(5):
        _saved(tmp_path / f"{number}.png", number)

    chunks, rows = _read([str(tmp_path)])

    assert [x.size for x in chunks] == [2, 2, 1] and len(rows) == 5
    assert len({x.key for x in chunks}) == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [("gone.png", "exists; got .*gone.png"), ("", "got none in .*; correct")],
)
def test_nothing_to_read_is_one_line(tmp_path, name, message):
    with pytest.raises(InputError, match=message):
        _read([str(tmp_path / name)])
