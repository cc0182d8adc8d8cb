"""One file per text, in a sub-folder per class."""

import dataclasses
import pathlib
import unicodedata

import numpy as np
import pandas as pd

from tf_pseudolabel.lab.data import files, rows
from tf_pseudolabel.lab.errors import InputError

# As corpora have them, also without a suffix.
SUFFIXES = (".txt", "")


def read(folders):
    """Reads the texts of folders.

    Args:
        folders: A dict from "labeled", "unlabeled", "validation" and "test" to
            paths; None: there is no such folder. The sub-folders of all but
            "unlabeled" are the classes.

    Returns:
        `rows.Rows` with a column "text". An id is the name of the set and the
        path inside of its folder.

    Raises:
        InputError: If a folder is missing or has no texts, a text lies outside
            of the sub-folders, or a class is never trained on. Texts that
            cannot be read are refused when they are.
    """
    roots = {k: pathlib.Path(v) for k, v in folders.items() if v is not None}
    found = {name: _find(name, root) for name, root in roots.items()}
    files.check_apart({f"{name}_dir": root for name, root in roots.items()})
    labels = {
        name: pd.Series(
            [
                "" if name == "unlabeled" else _class_of(name, inside)
                for inside in part.files.names
            ],
            dtype="string[pyarrow]",
        )
        for name, part in found.items()
    }
    _check_classes(roots["labeled"], set(labels["labeled"]))
    read_rows = rows.of_sets(
        {name: len(part.files) for name, part in found.items()},
        labels,
        {
            name: np.array([f"{name}/{x}" for x in part.files.names])
            for name, part in found.items()
        },
        "labeled_dir",
        roots,
    )
    read_rows.notes.extend(note for x in found.values() for note in x.notes)
    return dataclasses.replace(
        read_rows, chunks=lambda: _chunks(found), names=("text",)
    )


def _find(name, root):
    if not root.is_dir():
        raise InputError(
            f"--{name}_dir must be a folder that exists; got "
            f"{files.shown(root)}; correct the path"
        )
    found = files.find(root, SUFFIXES)
    if not len(found.files) and not found.unreadable:
        raise InputError(
            f"--{name}_dir must hold texts (files that end in .txt, or have no "
            f"suffix); got {files.shown(root)} without any; correct the path"
        )
    return found


def _check_classes(root, names):
    """Refuses folders of classes without a text."""
    empty = [
        files.shown(path)
        for path in sorted(root.iterdir())
        if path.is_dir()
        and not path.name.startswith(".")
        and unicodedata.normalize("NFC", path.name) not in names
    ]
    if empty:
        raise InputError(
            "every class folder must hold at least one text; got "
            f"{files.listed(empty)} without any; add texts or remove the folder"
        )


def _class_of(name, inside):
    folder, sign, _ = inside.partition("/")
    if not sign:
        raise InputError(
            f"every {name} text must be in a class folder; got {inside} "
            "outside of them; move or remove it"
        )
    # macOS writes an accent as a character of its own, Linux does not.
    return unicodedata.normalize("NFC", folder)


def _chunks(found, at_once=10_000):
    """Yields frames of some texts; refuses those that cannot be read."""
    unreadable = [line for part in found.values() for line in part.unreadable]
    for part in found.values():
        paths = part.files.paths
        for start in range(0, len(paths), at_once):
            texts = []
            for path in paths[start : start + at_once]:
                try:
                    text = pathlib.Path(path).read_text("utf-8-sig")
                except UnicodeDecodeError:
                    unreadable.append(f"{files.shown(path)} (not UTF-8)")
                except OSError as error:
                    unreadable.append(f"{files.shown(path)} ({error.strerror})")
                else:
                    texts.append(text)
            yield pd.DataFrame({"text": texts}, dtype=object)
    if unreadable:
        raise InputError(
            f"every text must be readable; got {len(unreadable)} that are not: "
            f"{files.listed(unreadable)}; save them as UTF-8 or remove them"
        )
