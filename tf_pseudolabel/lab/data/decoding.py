"""Image files, as people have them, to pixels."""

import io
import warnings

import numpy as np
from PIL import Image, ImageOps

from tf_pseudolabel.lab.errors import InputError

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".gif"),
    *(".webp", ".tif", ".tiff", ".avif", ".jp2"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".tga"),
)

_SEVERAL = "with several frames or pages, of which the first is used"
_DARK = (
    "with 16 bits a pixel and values below 4096, which become nearly black "
    "unless they are scaled up"
)
# All that is ever said of a file.
REMARKS = (_SEVERAL, _DARK)


def decode(content: bytes) -> tuple[np.ndarray, list[str]]:
    """Decodes one image.

    It is turned as its EXIF orientation says. Palettes are looked up, alpha is
    dropped, of 16 bits the upper 8 are kept, and of several frames the first.

    Args:
        content: What an image file holds.

    Returns:
        A pair: the pixels `(height, width, channels)` uint8, one channel if
        the file is grey and otherwise three; and what must be said of such
        files, of `REMARKS`, each to follow the words "image files".

    Raises:
        InputError: The content cannot be decoded; the message is the reason.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata, which decide nothing here.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as image:
                # In MPO, of telephones, the others are small or for depth.
                animated = getattr(image, "is_animated", False)
                several = animated and image.format != "MPO"
                said = [_SEVERAL] if several else []
                pixels, more = _pixels(ImageOps.exif_transpose(image))
    except Image.UnidentifiedImageError:
        raise InputError("not an image" if content else "empty") from None
    # What Pillow's many decoders raise on damaged files is not documented.
    except Exception as error:
        raise InputError(str(error) or type(error).__name__) from error
    return pixels, said + more


def _pixels(image: Image.Image) -> tuple[np.ndarray, list[str]]:
    if image.mode.startswith("I"):
        return _high_bytes(np.asarray(image))
    if image.mode == "F":
        raise InputError("its pixels are fractions; save it with 8 or 16 bits")
    grey = image.mode in ("1", "L", "LA", "La")
    if image.mode in ("La", "RGBa"):
        image = image.convert("LA" if grey else "RGBA")
    pixels = np.asarray(image.convert("L" if grey else "RGB"))
    return pixels.reshape(*pixels.shape[:2], -1), []


def _high_bytes(pixels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The upper 8 bits of 16, which is what TensorFlow keeps of a PNG."""
    if pixels.min() < 0 or pixels.max() > 65535:
        raise InputError("its pixels need more than 16 bits; save it with 16")
    said = [_DARK] if 0 < pixels.max() < 4096 else []
    return (pixels >> 8).astype(np.uint8)[..., np.newaxis], said
