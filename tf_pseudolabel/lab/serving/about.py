"""What a SavedModel says of itself besides its graph, as plain data."""

from __future__ import annotations

import dataclasses
import json
import pathlib

from tf_pseudolabel.lab import json_file
from tf_pseudolabel.lab.errors import InputError

# TensorFlow leaves this folder of a SavedModel to whoever writes one.
FILE = pathlib.PurePath("assets.extra", "about.json")


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of files, which is an input of the signature.

    Attributes:
        name: Its name in files.
        input: Its name in the signature.
        holds: "numbers", "dates" (days since 1970), "categories" or "texts".
    """

    name: str
    input: str
    holds: str


@dataclasses.dataclass(frozen=True)
class About:
    """What whoever applies a SavedModel to files needs to know.

    Attributes:
        class_names: In the order of the probabilities.
        kind: What rows are called: "images", "texts", "rows".
        columns: Where inputs are columns: what they are.
        resize: How image files of another size are resized; None: they are not
            what the model takes.
    """

    class_names: tuple[str, ...]
    kind: str
    columns: tuple[Column, ...] = ()
    resize: str | None = None

    def write(self, path):
        """Writes `FILE` into a SavedModel.

        Args:
            path: Its directory.
        """
        file = pathlib.Path(path, FILE)
        file.parent.mkdir(exist_ok=True)
        self.write_file(file)

    def write_file(self, file):
        """Writes the same beside a file that cannot hold it.

        Args:
            file: Path of a JSON file.
        """
        text = json.dumps(dataclasses.asdict(self), indent=2)
        pathlib.Path(file).write_text(f"{text}\n", encoding="utf-8")


def read(path):
    """Reads what a SavedModel says of itself.

    Args:
        path: Its directory.

    Returns:
        An `About`; None where it says nothing, as other programs write them.

    Raises:
        InputError: If the file is damaged.
    """
    file = pathlib.Path(path, FILE)
    if not file.exists():
        return None
    remedy = "Export the model again."
    found = json_file.read(file, "what an export wrote", remedy)
    try:
        columns = tuple(Column(**column) for column in found["columns"])
        names = tuple(found["class_names"])
        return About(names, found["kind"], columns, found["resize"])
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{file} must be what an export wrote; got: {error!r}. {remedy}"
        ) from None
