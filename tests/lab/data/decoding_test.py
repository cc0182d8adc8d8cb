import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_pseudolabel.lab.data.decoding import SUFFIXES, decode
from tf_pseudolabel.lab.errors import InputError

ORIENTATION = 0x0112


def encode(image, kind, **options):
    """The bytes of a file, from an array or an image."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


@pytest.fixture
def grey(rgb):
    return rgb[..., 0]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA"])
def test_what_loses_nothing_is_read_as_it_was_written(kind, rgb, grey):
    for image in (rgb, grey):
        found, notes = decode(encode(image, kind))
        np.testing.assert_array_equal(found, image.reshape(5, 7, -1))
        assert found.dtype == np.uint8
        assert notes == []


def test_webp_without_loss_is_read_as_it_was_written(rgb):
    found, _ = decode(encode(rgb, "WEBP", lossless=True))
    np.testing.assert_array_equal(found, rgb)


@pytest.mark.parametrize("shape", [(40, 24, 3), (40, 24)])
def test_jpeg_has_the_pixels_of_tensorflows_accurate_decoder(shape):
    values = np.indices(shape).sum(axis=0) * 3 % 256
    content = encode(values.astype(np.uint8), "JPEG")
    found, _ = decode(content)
    expected = tf.io.decode_jpeg(content, dct_method="INTEGER_ACCURATE")
    np.testing.assert_array_equal(found, expected)


# Where the first row and the first column of the file lie in the picture.
TURNED = {
    1: lambda x: x,
    2: np.fliplr,
    3: lambda x: np.rot90(x, 2),
    4: np.flipud,
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).swapaxes(0, 1),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_images_are_turned_as_exif_says(kind, orientation, rgb):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    plain = decode(encode(rgb, kind))[0]
    found, _ = decode(encode(rgb, kind, exif=exif))
    np.testing.assert_array_equal(found, TURNED[orientation](plain))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(value, rgb):
    exif = Image.Exif()
    exif[ORIENTATION] = value
    found, _ = decode(encode(rgb, "PNG", exif=exif))
    np.testing.assert_array_equal(found, rgb)


@pytest.mark.parametrize("kind", ["BMP", "PNG", "GIF", "TIFF"])
def test_palettes_are_looked_up(kind):
    """Their indices tell nothing: 0 is red here, and 1 is blue."""
    image = Image.new("P", (2, 1))
    image.putpalette([200, 10, 20, 30, 40, 250])
    image.putpixel((1, 0), 1)
    found, _ = decode(encode(image, kind))
    assert found.tolist() == [[[200, 10, 20], [30, 40, 250]]]


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("LA", 1), ("RGBA", 3), ("PA", 3)],
)
def test_alpha_is_dropped(mode, channels, rgb):
    image = Image.fromarray(rgb).convert(mode)
    plain = np.asarray(image.convert("RGB"))[..., :channels]
    image.putalpha(7)
    found, _ = decode(encode(image, "TIFF" if mode == "PA" else "PNG"))
    np.testing.assert_array_equal(found, plain)


def test_black_and_white_is_grey(grey):
    image = Image.fromarray(grey).convert("1")
    found, _ = decode(encode(image, "TIFF"))
    np.testing.assert_array_equal(found[..., 0], np.asarray(image) * 255)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_of_16_bits_the_upper_8_are_kept(kind, order):
    values = np.array([[0, 255, 256], [4660, 65279, 65535]])
    found, notes = decode(encode(values.astype(order), kind))
    assert found[..., 0].tolist() == [[0, 0, 1], [18, 254, 255]]
    assert notes == []


def test_16_bits_have_the_values_of_tensorflow():
    values = np.arange(0, 65536, 997, dtype=np.uint16)[:48]
    for channels in (1, 3, 4):
        image = values.reshape(-1, 4, channels)
        content = tf.io.encode_png(image).numpy()
        expected = tf.io.decode_png(content)[..., :3]
        np.testing.assert_array_equal(decode(content)[0], expected)


def test_16_bits_that_hold_less_are_said(grey):
    found, (note,) = decode(encode(grey.astype(np.uint16), "TIFF"))
    assert found.max() == 0
    assert "nearly black" in note


def test_cmyk_is_read_as_colours(rgb):
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    found, _ = decode(encode(image, "TIFF"))
    assert found[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_of_several_frames_the_first_is_used_and_said(kind):
    frames = [Image.new("RGB", (8, 8), c) for c in ("#0a141e", "white")]
    options = {} if kind in ("GIF", "TIFF", "PNG") else {"lossless": True}
    content = encode(
        frames[0], kind, save_all=True, append_images=frames[1:], **options
    )
    found, notes = decode(content)
    assert found[3, 3].tolist() == [10, 20, 30]
    assert len(notes) == 1
    assert "the first is used" in notes[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"not an image", "not an image"),
        (encode(np.eye(99, dtype=np.uint8), "PNG")[:80], "truncated"),
        (encode(np.zeros((64, 64), np.uint8), "JPEG")[:-40], "truncated"),
        (encode(np.zeros((8, 8), np.float32), "TIFF"), "fractions"),
        (encode(np.full((8, 8), 70000, np.int32), "TIFF"), "16 bits"),
    ],
)
def test_what_cannot_be_decoded_is_refused_in_one_line(content, reason):
    with pytest.raises(InputError, match=reason) as error:
        decode(content)
    assert str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_damaged_files_are_read_or_refused(kind, rgb):
    rng = np.random.default_rng(0)
    whole = encode(rgb, kind)
    for _ in range(40):
        damaged = bytearray(whole[: rng.integers(len(whole))])
        for place in rng.integers(0, max(len(damaged), 1), 3):
            damaged[place : place + 1] = rng.bytes(1)
        try:
            assert decode(bytes(damaged))[0].ndim == 3
        except InputError as error:
            assert "\n" not in str(error)


def test_every_suffix_is_one_that_pillow_knows():
    assert set(SUFFIXES) <= Image.registered_extensions().keys()
