"""One file per text."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np

from tf_pseudolabel.lab.errors import reason_of
from tf_pseudolabel.lab.serving.requests.chunk import (
    AT_ONCE,
    Bad,
    Chunk,
    Rows,
    key_of,
    name_of,
)


@dataclasses.dataclass(frozen=True)
class Texts(Chunk):
    """Files of a text each.

    Args:
        paths: Of the files.
        input: Name of the model's input.
    """

    paths: tuple[str, ...]
    input: str

    def read(self):
        """Reads the files; see `Chunk.read`."""
        for start in range(0, len(self.paths), AT_ONCE):
            ids, texts, bad = [], [], []
            for path in self.paths[start : start + AT_ONCE]:
                text, reason = _read(path)
                if reason is None:
                    ids.append(name_of(path))
                    texts.append(text)
                else:
                    bad.append(Bad(name_of(path), reason))
            yield Rows(ids, {self.input: np.array(texts, object)}, bad)


def _read(path):
    """A text and None, or None and why there is none."""
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return None, "not UTF-8"
    except OSError as error:
        return None, reason_of(error)
    return (text, None) if text.strip() else (None, "empty")


def chunk(paths, model):
    """Makes a chunk of files of texts.

    Args:
        paths: Sequence of paths.
        model: A `Served` of one text per row.

    Returns:
        `Texts`.
    """
    (name,) = model.inputs
    return Texts(key_of(paths), len(paths), tuple(paths), name)
