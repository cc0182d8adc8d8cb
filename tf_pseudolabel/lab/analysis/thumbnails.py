"""Small pictures that a web page carries inside itself."""

import base64
import io

import numpy as np

SIZE = 28  # pixels: that of MNIST


def data_uris(pictures, size=SIZE):
    """Encodes images so that an `<img>` shows them without a file.

    WebP, because its header is small beside such pictures: a page of 2000
    pictures of 28 pixels grows by a megabyte or less. Gray ones are lossless.

    Args:
        pictures: `(n, height, width)` or `(n, height, width, 3)`, floats from
            0, which is black, to 1.
        size: Larger images are scaled down until neither side is longer.
            Defaults to `SIZE`.

    Returns:
        A list of n strings, `data:image/webp;base64,...`.
    """
    pixels = np.rint(255 * pictures)
    return [_data_uri(picture, size) for picture in pixels.astype(np.uint8)]


def _data_uri(pixels, size):
    # A dependency of Bokeh and matplotlib; nothing else here needs it.
    from PIL import Image

    picture = Image.fromarray(pixels)
    picture.thumbnail((size, size))
    content = io.BytesIO()
    picture.save(content, "WEBP", lossless=picture.mode == "L", quality=80)
    encoded = base64.b64encode(content.getvalue()).decode("ascii")
    return f"data:image/webp;base64,{encoded}"
