"""The files under a folder, each once, under names that JSON can hold."""

import collections
import dataclasses
import os
import pathlib
import unicodedata
from collections.abc import Iterator

from tf_pseudolabel.lab.errors import InputError

# Of a list in a message; the rest is counted.
_MOST = 20


@dataclasses.dataclass(frozen=True)
class Found:
    """What lies under a folder.

    Args:
        paths: Paths of the wanted files by name, sorted by it. They are
            strings, of which a million is at hand at once.
        unreadable: Wanted files and folders that cannot be read, with why.
        notes: What was left out, a sentence each.
    """

    paths: dict[str, str]
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
    inside = len(os.path.join(root, ""))
    for path, error in walk(root):
        suffix = os.path.splitext(path)[1].lower()
        if error is _REPEATED:
            others["links to folders that were read already"] += 1
        elif suffix in suffixes and error is None:
            paths[name_of(path[inside:].replace(os.sep, "/"))] = path
        elif suffix in suffixes or isinstance(error, PermissionError):
            unreadable.append(f"{shown(path)} ({error.strerror})")
        elif error in (None, _NO_FILE):
            others[shown(suffix) or "files without suffix"] += 1
        else:
            others["links that lead nowhere"] += 1
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
    if isinstance(name, str) and name.isascii() and name.isprintable():
        return name
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
_NO_FILE = OSError(0, "not a file")


def walk(root: pathlib.Path) -> Iterator[tuple[str, OSError | None]]:
    """Yields all but folders, each with what is wrong with it.

    Folders come before links to them, so that of a loop or of two ways to one
    folder the one without links is read. Hidden ones are left out.

    Args:
        root: A folder that exists.
    """
    folders, links = collections.deque([str(root)]), collections.deque()
    entered = set()
    while folders or links:
        folder = folders.popleft() if folders else links.popleft()
        try:
            status = os.stat(folder)
            with os.scandir(folder) as opened:
                entries = sorted(opened, key=lambda entry: entry.name)
        except OSError as error:
            yield folder, error
            continue
        if (status.st_dev, status.st_ino) in entered:
            yield folder, _REPEATED
            continue
        entered.add((status.st_dev, status.st_ino))
        for entry in entries:
            if entry.name.startswith("."):
                continue
            is_folder, error = _kind(entry)
            if is_folder:
                (links if entry.is_symlink() else folders).append(entry.path)
            else:
                yield entry.path, error


def _kind(entry: os.DirEntry) -> tuple[bool, OSError | None]:
    """Whether it is a folder, and why it is no file either."""
    try:
        if entry.is_file():
            return False, None
        if entry.is_dir():
            return True, None
        entry.stat()  # Says what is wrong with a link.
    except OSError as error:
        return False, error
    return False, _NO_FILE
