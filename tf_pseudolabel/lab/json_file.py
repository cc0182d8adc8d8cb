"""The one reader of JSON files, which people edit and disks damage."""

import json
import pathlib

from tf_pseudolabel.lab.errors import InputError


def read(path, kind, remedy):
    """Returns what a JSON file holds.

    Args:
        path: The file.
        kind: What it is, for the error: "the recipe.json of a run".
        remedy: What to do if it is not: a sentence.

    Returns:
        Plain values.

    Raises:
        InputError: If the file is missing, cannot be read, or is not JSON that
            Python can hold.
    """
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
        found = json.loads(text, parse_int=_integer)
        # Half a character, such as "\ud800", can be read and not be written;
        # the bytes of a path in another encoding can.
        json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogateescape")
        return found
    except OSError as error:
        problem = error.strerror
    except RecursionError:
        problem = "lists or objects inside each other, too deep to be read"
    except ValueError as error:  # Not UTF-8, not JSON, or too many digits.
        problem = error
    raise InputError(f"{path} must be {kind}; got: {problem}. {remedy}")


def _integer(text):
    """Larger ones can be read, and are too large to compute with."""
    value = int(text)
    if abs(value) >= 2**63:
        raise ValueError(f"an integer of {len(text)} digits")
    return value
