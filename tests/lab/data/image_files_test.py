import io
import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_pseudolabel.lab.data import caching, image_files
from tf_pseudolabel.lab.data.decoding import decode
from tf_pseudolabel.lab.data.files import of_paths
from tf_pseudolabel.lab.data.image_files import ImageFiles, cached
from tf_pseudolabel.lab.data.inputs import Held, read

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (33, 21, 3), np.uint8)
ORIENTATION = 0x0112


def encode(image, kind, **options):
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind, **options)
    return file.getvalue()


def exif(orientation, order="<"):
    tags = Image.Exif()
    tags.endian = order
    tags[ORIENTATION] = orientation
    return tags


GREY = Image.fromarray(COLOURS[..., 0])
PLAIN = {
    "grey PNG": encode(GREY, "PNG"),
    "PNG": encode(COLOURS, "PNG"),
    "PNG with alpha": encode(Image.fromarray(COLOURS).convert("RGBA"), "PNG"),
    "grey PNG with alpha": encode(GREY.convert("LA"), "PNG"),
    "PNG of two colours": encode(GREY.convert("1"), "PNG"),
    "PNG with a palette": encode(Image.fromarray(COLOURS).quantize(9), "PNG"),
    "PNG with a transparent colour": encode(
        COLOURS, "PNG", transparency=tuple(COLOURS[0, 0].tolist())
    ),
    "JPEG": encode(COLOURS, "JPEG"),
    "JPEG without subsampling": encode(COLOURS, "JPEG", subsampling=0),
    "grey JPEG": encode(GREY, "JPEG"),
    "progressive JPEG": encode(COLOURS, "JPEG", progressive=True),
    "JPEG with a profile": encode(COLOURS, "JPEG", icc_profile=b"x" * 99),
    "upright JPEG": encode(COLOURS, "JPEG", exif=exif(1)),
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_files_have_pillows_pixels(name):
    content = PLAIN[name]
    assert image_files.is_plain(tf.constant(content))
    expected, remarks = decode(content)
    assert remarks == []
    channels = expected.shape[-1]
    found = image_files.decode_with_tensorflow(content, channels)
    np.testing.assert_array_equal(found, expected)
    # As colours, where other files have them.
    found = image_files.decode_with_tensorflow(content, 3)
    np.testing.assert_array_equal(
        found, np.broadcast_to(expected, COLOURS.shape)
    )


NOT_PLAIN = {
    **{
        f"{kind}, orientation {way}": encode(COLOURS, kind, exif=exif(way))
        for kind in ("PNG", "JPEG")
        for way in range(2, 9)
    },
    "16 bit": encode(np.zeros((4, 4), np.uint16), "PNG"),
    "frames": encode(
        COLOURS,
        "PNG",
        save_all=True,
        append_images=[Image.fromarray(255 - COLOURS)],
    ),
    "BMP": encode(COLOURS, "BMP"),
    "GIF": encode(COLOURS, "GIF"),
    "XMP": encode(COLOURS, "JPEG", xmp=b"<x tiff:Orientation='6'/>"),
    "nothing": b"",
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_pillow_knows_better_is_not_plain(name):
    assert not image_files.is_plain(tf.constant(NOT_PLAIN[name]))


def test_orientation_is_seen_in_both_byte_orders():
    for order in (b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0%c\0\0\0",):
        for way, plain in ((1, True), (6, False)):
            given = encode(COLOURS, "JPEG", exif=b"Exif\0\0" + order % way)
            assert image_files.is_plain(tf.constant(given)) == plain
    big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0%c\0\0"
    for way, plain in ((1, True), (8, False)):
        given = encode(COLOURS, "JPEG", exif=b"Exif\0\0" + big % way)
        assert image_files.is_plain(tf.constant(given)) == plain


@pytest.fixture
def files(tmp_path):
    """Three plain files and two of others, under names of any bytes."""
    paths, expected, plain = [], [], []
    for i, kind in enumerate(["png", "jpeg", "bmp", "png", "webp"]):
        pixels = np.roll(COLOURS, i, axis=0)
        pixels = pixels[..., 0] if i == 3 else pixels
        path = tmp_path / os.fsdecode(b"\xff %d." % i + kind.encode())
        path.write_bytes(encode(pixels, kind))
        paths.append(str(path))
        expected.append(
            np.broadcast_to(decode(path.read_bytes())[0], COLOURS.shape)
        )
        plain.append(kind in ("png", "jpeg"))
    inputs = ImageFiles(of_paths(paths), np.array(plain), COLOURS.shape)
    return inputs, np.stack(expected)


def test_rows_are_read_by_number_in_any_order(files):
    inputs, expected = files
    assert len(inputs) == 5
    assert inputs.spec == tf.TensorSpec(COLOURS.shape, tf.uint8)
    rows = np.array([4, 0, 2, 2, 1, 3])
    np.testing.assert_array_equal(read(inputs, rows), expected[rows])
    assert read(inputs, rows[:0]).shape == (0, *COLOURS.shape)


def test_rows_are_read_in_graphs_of_known_and_unknown_size(files):
    inputs, expected = files
    rows = tf.data.Dataset.range(5)
    for drop, size in ((True, 2), (False, None)):
        batches = rows.batch(2, drop_remainder=drop).map(inputs.batch)
        assert batches.element_spec.shape == (size, *COLOURS.shape)
        found = np.concatenate(list(batches.as_numpy_iterator()))
        np.testing.assert_array_equal(found, expected[: len(found)])


def test_files_of_other_sizes_are_resized(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(np.full((8, 4), 200, np.uint8), "PNG"))
    inputs = ImageFiles(
        of_paths([str(path)]), np.array([True]), (4, 4, 1), "pad"
    )
    found = read(inputs, np.array([0]))[0, :, :, 0]
    assert found.tolist() == [[0, 200, 200, 0]] * 4


def test_only_what_tensorflow_reads_is_portable(files):
    inputs, _ = files
    assert not inputs.portable
    assert ImageFiles(of_paths(["a"]), np.array([True]), (2, 2, 1)).portable


def test_cached_rows_are_the_same(files):
    inputs, expected = files
    held, said = cached(inputs, "memory")
    assert isinstance(held, Held)
    assert said == "Images are decoded once and kept in memory (0 MB)."
    np.testing.assert_array_equal(read(held, np.arange(5)), expected)
    streamed, said = cached(inputs, "none")
    assert streamed is inputs
    assert said == "Images are decoded whenever they are used."


def test_a_quarter_of_the_memory_that_is_free_is_room_enough(
    files, monkeypatch
):
    inputs, _ = files
    size = 5 * COLOURS.size
    monkeypatch.setattr(caching, "free_memory", lambda: 4 * size)
    assert isinstance(cached(inputs, "auto")[0], Held)
    monkeypatch.setattr(caching, "free_memory", lambda: 4 * size - 4)
    streamed, said = cached(inputs, "auto")
    assert streamed is inputs
    assert "whenever they are used (0 MB, of 0 MB for them)." in said
