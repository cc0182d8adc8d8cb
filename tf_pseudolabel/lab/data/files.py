"""The files under a folder, each once, under names that JSON can hold."""

import collections
import dataclasses
import os
import pathlib
import stat
import unicodedata
from collections.abc import Iterator

from tf_pseudolabel.lab.errors import InputError

# Of a list in a message; the rest is counted.
_MOST = 20


@dataclasses.dataclass(frozen=True)
class Found:
    """What lies under a folder.

    Args:
        paths: The wanted files by name, sorted by it.
        unreadable: Wanted files and folders that cannot be read, with why.
        notes: What was left out, a sentence each.
    """

    paths: dict[str, pathlib.Path]
    unreadable: list[str]
    notes: list[str]


def find(root: pathlib.Path, suffixes: tuple[str, ...]) -> Found:
    """Finds the files of some kinds, at any depth.

    Links are followed, but no folder is entered twice. Hidden files and
    folders are ignored.

    Args:
        root: A folder that exists.
        suffixes: Lower-case ends of the names of wanted files.

    Returns:
        What was found; names are of `name_of`, of the path inside of `root`.
    """
    paths, unreadable, others = {}, [], collections.Counter()
    for path, error in _walk(root):
        suffix = path.suffix.lower()
        if error is _REPEATED:
            others["links to folders that were read already"] += 1
        elif suffix in suffixes and error is None and path.is_file():
            paths[name_of(path.relative_to(root).as_posix())] = path
        elif suffix in suffixes or isinstance(error, PermissionError):
            reason = error.strerror if error else "not a file"
            unreadable.append(f"{shown(path)} ({reason})")
        elif error is not None:
            others["links that lead nowhere"] += 1
        else:
            others[shown(suffix) or "files without suffix"] += 1
    notes = []
    if others:
        kinds = [f"{kind} ({count})" for kind, count in others.most_common()]
        notes = [f"Left out of {shown(root)}: {listed(kinds)}."]
    return Found(dict(sorted(paths.items())), unreadable, notes)


def name_of(path: str) -> str:
    r"""Returns a name that any file and line can hold, of every path another.

    Args:
        path: A path as Python has it, with forward slashes.

    Returns:
        The path, in which bytes that are not UTF-8 are written `\xNN`, control
        characters as in Python, and a backslash is doubled.
    """
    return shown(path.replace("\\", r"\\"))


def shown(name: str | pathlib.Path) -> str:
    r"""Returns a name as one line that every terminal and file can hold.

    Args:
        name: Any path, with line breaks and bytes of other encodings.

    Returns:
        The name, with bytes that are not UTF-8 written `\xNN` and control
        characters as in Python.
    """
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(
        _escape(c) if unicodedata.category(c) in _BREAKING else c for c in text
    )


# Controls, and what breaks lines.
_BREAKING = ("Cc", "Zl", "Zp")


def _escape(c: str) -> str:
    # Not \x80 to \x9f, which are the names of bytes.
    escaped = c.encode("unicode_escape").decode("ascii")
    return escaped if ord(c) < 128 else f"\\u{ord(c):04x}"


def listed(items: list[str]) -> str:
    """Joins up to 20 items and counts the others.

    Args:
        items: At least one.

    Returns:
        One line.
    """
    more = len(items) - _MOST
    return ", ".join(items[:_MOST]) + (f" and {more} more" if more > 0 else "")


def check_apart(roots: dict[str, pathlib.Path]):
    """Refuses folders that are the same, or one inside another.

    Args:
        roots: Folders that exist, by the name of their flag.

    Raises:
        InputError: Two of them share files.
    """
    real = {name: path.resolve() for name, path in roots.items()}
    for name, path in real.items():
        for other, another in real.items():
            if name != other and path.is_relative_to(another):
                first, second = [x for x in roots if x in (name, other)]
                raise InputError(
                    f"{first} and {second} must not share images; got "
                    f"{shown(roots[name])} inside of {shown(roots[other])}; "
                    "name folders apart"
                )


_REPEATED = OSError()


def _walk(
    root: pathlib.Path,
) -> Iterator[tuple[pathlib.Path, OSError | None]]:
    """Yields all but folders, each with what is wrong with it.

    Folders come before links to them, so that of a loop or of two ways to one
    folder the one without links is read.
    """
    folders, links = collections.deque([root]), collections.deque()
    entered = set()
    while folders or links:
        folder = folders.popleft() if folders else links.popleft()
        try:
            status = folder.stat()
            entries = sorted(folder.iterdir())
        except OSError as error:
            yield folder, error
            continue
        if (status.st_dev, status.st_ino) in entered:
            yield folder, _REPEATED
            continue
        entered.add((status.st_dev, status.st_ino))
        for path in entries:
            if path.name.startswith("."):
                continue
            try:
                is_folder = stat.S_ISDIR(path.stat().st_mode)
            except OSError as error:
                yield path, error
                continue
            if is_folder:
                (links if path.is_symlink() else folders).append(path)
            else:
                yield path, None
