"""How rows are shown: as pictures, else as text."""

import typing

from tf_pseudolabel.lab.analysis import thumbnails

# Of a text; nobody reads more in a box beside a point.
_MOST = 200


class Card(typing.NamedTuple):
    """What stands for a row on a page.

    Attributes:
        image: A `data:` URI; "" where rows are no pictures.
        text: A line; "" where rows are pictures, or cannot be written.
    """

    image: str
    text: str


def cards(kind, examples, size=thumbnails.SIZE):
    """Makes what stands for rows.

    Args:
        kind: Their `Kind`.
        examples: `Examples` with n rows.
        size: Pixels of the longer side of a picture, at most.

    Returns:
        A list of n `Card`s.
    """
    inputs = examples.read()
    pictures = kind.pictures(inputs)
    if pictures is not None:
        return [Card(uri, "") for uri in thumbnails.data_uris(pictures, size)]
    texts = kind.texts(inputs) or [""] * len(examples)
    return [Card("", _short(text)) for text in texts]


def _short(text):
    text = " ".join(text.split())
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"
