"""What numbers of any shape are: images, vectors, or rows as they are."""

import keras
import numpy as np

from tf_pseudolabel.lab.data.kinds import Encoding, Images, Kind
from tf_pseudolabel.lab.data.preprocessing import (
    float32_on_cpu,
    normalization,
)
from tf_pseudolabel.lab.errors import InputError


class Vectors(Kind):
    """Vectors of floats, which are encoded with mean 0 and deviation 1."""

    def encoding(self, split):
        """Measures training rows; see `Kind.encoding`."""
        rows = [split.labeled.read(), split.unlabeled.read()]
        rows = np.concatenate(rows)
        with float32_on_cpu():
            normalized = normalization(rows)
            vector = keras.Input(rows.shape[1:], name="vector")
            model = keras.Model(vector, normalized(vector), name="normalized")
        return Encoding(split.labeled.spec, model)

    def texts(self, inputs):
        """Writes "1.5, 2, ..."; see `Kind.texts`."""
        return [", ".join(f"{x:g}" for x in row) for row in inputs.tolist()]


def told(x, training, name):
    """Tells what numbers are by their shape and dtype.

    Args:
        x: Array `(n, ...)` of a number's or bool dtype. `(n, height, width)`
            and `(n, height, width, channels)` are images, `(n, k)` vectors.
        training: Bool array `(n,)`: rows that may be trained on.
        name: What holds them, for messages.

    Returns:
        The same array with a channel where there was none, whose floats, bools
        and images of other dtypes than uint8 are float32; its `Kind`; and
        notes, a list of sentences.

    Raises:
        InputError: If these are no numbers, or rows hold none.
    """
    if x.dtype.kind not in "buif" or not x[:1].size:
        raise InputError(
            f"{name} must hold numbers, a row for each example; got "
            f"{x.dtype.name} of shape {x.shape}; write it as an array of floats"
        )
    if x.ndim in (1, 3):
        x = x[..., np.newaxis]
    is_image = x.ndim == 4
    if is_image:
        _check_channels(x, name)
    if x.dtype.kind in "bf" or (is_image and x.dtype != np.uint8):
        # Too large ones become infinite, which is refused where rows are known.
        with np.errstate(over="ignore"):
            x = x.astype(np.float32)
    if is_image:
        return x, Images(_white(x, training)), []
    if x.ndim == 2 and x.dtype == np.float32:
        return x, Vectors(), []
    return x, Kind(), _as_they_are(x, name)


def _check_channels(x, name):
    if x.shape[1] in (1, 3) and x.shape[-1] > 4:
        raise InputError(
            "images end in their channels, as (n, height, width, channels); "
            f"got {x.shape} in {name}, whose channels seem to come first; "
            "transpose it: np.moveaxis(x, 1, -1)"
        )


def _white(x, training):
    """The value of white: floats are in [0, 1], or as large as they come."""
    if x.dtype == np.uint8:
        return 255.0
    return float(max(x[training].max(), 1.0))


def _as_they_are(x, name):
    if x.dtype.kind == "f":
        return []
    return [
        f"{name} holds whole numbers, which networks get as they are, such as "
        "ids of words; as floats, vectors are normalized."
    ]
