import os

import numpy as np
import pytest
from PIL import Image

from tf_pseudolabel.lab.data import image_index


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tf_pseudolabel" / "images"


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)


def save(path, pixels, **options):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return str(path)


def records(root, *paths):
    return image_index.look(root, list(paths)).records


def test_size_channels_and_decoder(tmp_path, pixels):
    root = tmp_path / "root"
    exif = Image.Exif()
    exif[0x0112] = 6
    found = records(
        root,
        save(root / "a.png", pixels),
        save(root / "b.jpg", pixels[..., 0]),
        save(root / "c.bmp", pixels),
        save(root / "d.jpg", pixels, exif=exif),
    )
    assert found["height"].tolist() == [9, 9, 9, 7]
    assert found["width"].tolist() == [7, 7, 7, 9]
    assert found["channels"].tolist() == [3, 1, 3, 3]
    assert found["plain"].tolist() == [True, True, False, False]


def test_the_same_pixels_in_other_files_are_the_same_picture(tmp_path, pixels):
    root = tmp_path / "root"
    alpha = np.concatenate([pixels, pixels[..., :1]], axis=-1)
    grey = pixels[..., 0]
    found = records(
        root,
        save(root / "a.png", pixels),
        save(root / "a.bmp", pixels),
        save(root / "a.webp", pixels, lossless=True),
        save(root / "alpha.png", alpha),
        save(root / "grey.png", grey),
        save(root / "colours.png", np.stack([grey] * 3, axis=-1)),
        save(root / "b.png", pixels[::-1]),
        save(root / "flat.png", np.full((4, 6), 9, np.uint8)),
        save(root / "flat turned.png", np.full((6, 4), 9, np.uint8)),
    )["pixels"].tolist()
    assert found[0] == found[1] == found[2] == found[3]
    assert found[4] == found[5]
    assert len(set(found)) == 5


def test_a_look_stays_when_a_picture_is_stored_smaller(tmp_path):
    root = tmp_path / "root"
    blocks = np.random.default_rng(0).permutation(72).reshape(8, 9) * 3
    image = np.kron(blocks, np.ones((8, 8))).astype(np.uint8)
    found = records(
        root,
        save(root / "a.png", image),
        save(root / "b.jpg", image[::2, ::2], quality=60),
        save(root / "c.png", image[::-1]),
    )
    assert found["look"][0] == found["look"][1] != found["look"][2]
    assert len(set(found["pixels"].tolist())) == 3


def test_what_was_seen_is_not_read_again(tmp_path, pixels, monkeypatch):
    root = tmp_path / "root"
    paths = [save(root / "a.png", pixels), save(root / "b.bmp", pixels[::-1])]
    first = records(root, *paths)
    read = []
    real = image_index._read
    monkeypatch.setattr(
        image_index, "_read", lambda given: read.extend(given) or real(given)
    )
    np.testing.assert_array_equal(records(root, *paths), first)
    assert read == []
    # A file that has changed, one that is new, and one that is gone.
    save(root / "a.png", pixels[:4])
    os.utime(paths[0], ns=(0, 0))
    paths[1] = save(root / "c.png", pixels[:5])
    assert records(root, *paths)["height"].tolist() == [4, 5]
    assert read == paths


@pytest.mark.parametrize("content", [b"", b"no index", b"\x93NUMPY"])
def test_a_damaged_index_is_made_anew(content, tmp_path, pixels, cache):
    root = tmp_path / "root"
    path = save(root / "a.png", pixels)
    first = records(root, path)
    (index,) = cache.iterdir()
    whole = index.read_bytes()
    index.write_bytes(content)
    np.testing.assert_array_equal(records(root, path), first)
    assert index.read_bytes() == whole


def test_an_index_that_cannot_be_kept_stops_nothing(
    tmp_path, pixels, monkeypatch, caplog
):
    root = tmp_path / "root"
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(records(root, save(root / "a.png", pixels))) == 1
    assert "set XDG_CACHE_HOME" in caplog.text


def test_unreadable_files_have_reasons(tmp_path, pixels):
    root = tmp_path / "root"
    paths = [
        save(root / "a.png", pixels),
        save(root / "cut.png", pixels),
        str(root / "gone.png"),
        str(root / "text.jpg"),
    ]
    (root / "cut.png").write_bytes((root / "cut.png").read_bytes()[:60])
    (root / "text.jpg").write_bytes(b"text")
    for _ in range(2):  # They are not in the index.
        looks = image_index.look(root, paths)
        assert looks.rows.tolist() == [0]
        assert list(looks.unreadable) == [1, 2, 3]
        assert looks.unreadable[2] == "No such file or directory"
        assert looks.unreadable[3] == "not an image"


def test_long_looks_are_said_and_saved(
    tmp_path, pixels, monkeypatch, capsys, cache
):
    monkeypatch.setattr(image_index, "_SECONDS", -1)
    root = tmp_path / "root"
    records(root, save(root / "a.png", pixels), save(root / "b.bmp", pixels))
    assert f"Looked at 1 of 2 files in {root}." in capsys.readouterr().err
    assert len(list(cache.iterdir())) == 1
