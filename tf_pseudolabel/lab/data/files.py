"""The files under a folder, each once, under names that JSON can hold."""

from __future__ import annotations

import bisect
import collections
import dataclasses
import itertools
import os
import pathlib
import typing
import unicodedata
from collections.abc import Iterator

import numpy as np

from tf_pseudolabel.lab.data.strings import Strings
from tf_pseudolabel.lab.errors import InputError

# Of a list in a message; the rest is counted.
_MOST = 20


@dataclasses.dataclass(frozen=True, eq=False)
class Files:
    """Many files, of which a few bytes are held beyond their last names.

    Args:
        folders: Paths of the folders that hold some, each with a slash behind.
        named: What these are called in the names of files.
        folder: `(n,)` int32: the number of the folder of each file.
        last: The last names of all files as bytes, one behind the other.
        ends: `(n + 1,)` int: where they begin, and where the last one ends.
    """

    folders: tuple[str, ...]
    named: tuple[str, ...]
    folder: np.ndarray
    last: bytes
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.folder)

    @property
    def paths(self) -> Strings:
        """The path of each file."""
        return Strings(self._paths, np.arange(len(self), dtype=np.int32))

    @property
    def names(self) -> Strings:
        """The name of each file: that of its folder, and `name_of` its last."""
        return Strings(self._names, np.arange(len(self), dtype=np.int32))

    def take(self, rows: np.ndarray) -> Files:
        """Returns some of the files.

        Args:
            rows: `(k,)` int, rising.

        Returns:
            k files.
        """
        if len(rows) == len(self):
            return self
        last = [os.fsencode(self._last(row)) for row in rows]
        return Files(
            self.folders, self.named, self.folder[rows], *_packed(last)
        )

    def _paths(self, rows):
        return [self.folders[self.folder[x]] + self._last(x) for x in rows]

    def _names(self, rows):
        return [
            self.named[self.folder[x]] + name_of(self._last(x)) for x in rows
        ]

    def _last(self, row):
        return os.fsdecode(self.last[self.ends[row] : self.ends[row + 1]])


def of_paths(paths: list[str]) -> Files:
    """Returns files whose paths are known, in their order.

    Args:
        paths: Their paths.

    Returns:
        The files; their names are their paths.
    """
    folders = {}
    split = [os.path.split(path) for path in paths]
    folder = [folders.setdefault(head, len(folders)) for head, _ in split]
    heads = tuple(os.path.join(head, "") for head in folders)
    return Files(
        heads,
        tuple(map(name_of, heads)),
        np.array(folder, np.int32),
        *_packed([os.fsencode(tail) for _, tail in split]),
    )


def joined(parts: list[Files]) -> Files:
    """Returns the files of several parts, one part after the other.

    Args:
        parts: At least one.

    Returns:
        All of them.
    """
    if len(parts) == 1:
        return parts[0]
    first = np.cumsum([0] + [len(part.folders) for part in parts])
    return Files(
        sum((part.folders for part in parts), ()),
        sum((part.named for part in parts), ()),
        np.concatenate(
            [part.folder + first[i] for i, part in enumerate(parts)]
        ).astype(np.int32),
        b"".join(part.last for part in parts),
        _ends(np.concatenate([np.diff(part.ends) for part in parts])),
    )


def _packed(last: list[bytes]) -> tuple[bytes, np.ndarray]:
    sizes = np.fromiter(map(len, last), np.int16, len(last))
    return b"".join(last), _ends(sizes)


def _ends(sizes: np.ndarray) -> np.ndarray:
    ends = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=ends[1:])
    return ends.astype(np.int32) if ends[-1] < 2**31 else ends


@dataclasses.dataclass(frozen=True)
class Found:
    """What lies under a folder.

    Args:
        files: The wanted files, sorted by their names: those of `name_of`, of
            the path inside of the folder.
        unreadable: Wanted files and folders that cannot be read, with why.
        notes: What was left out, a sentence each.
    """

    files: Files
    unreadable: list[str]
    notes: list[str]


def find(
    root: pathlib.Path, suffixes: tuple[str, ...], prefix: str = ""
) -> Found:
    """Finds the files of some kinds, at any depth.

    Links are followed, but no folder is entered twice. Hidden files and
    folders are ignored.

    Args:
        root: A folder that exists.
        suffixes: Lower-case ends of the names of wanted files.
        prefix: What the names of files begin with.

    Returns:
        What was found.
    """
    runs, unreadable, others = [], [], collections.Counter()
    inside = len(os.path.join(root, ""))
    for folder in _walk(root):
        path = os.path.join(folder.path, "")
        named = prefix + name_of(path[inside:].replace(os.sep, "/"))
        wanted = []
        for name, error in folder.entries:
            suffix = os.path.splitext(name or folder.path)[1].lower()
            if suffix in suffixes and error is None:
                wanted.append(name)
            elif error is _REPEATED:
                others["links to folders that were read already"] += 1
            elif suffix in suffixes or isinstance(error, PermissionError):
                at = os.path.join(folder.path, name) if name else folder.path
                unreadable.append(f"{shown(at)} ({error.strerror})")
            elif error in (None, _NO_FILE):
                others[shown(suffix) or "files without suffix"] += 1
            else:
                others["links that lead nowhere"] += 1
        runs += _runs(path, named, wanted, folder.inside)
    notes = []
    if others:
        kinds = [f"{kind} ({count})" for kind, count in others.most_common()]
        notes = [f"Left out of {shown(root)}: {listed(kinds)}."]
    return Found(_files(runs), unreadable, notes)


class _Run(typing.NamedTuple):
    """Files of one folder between which, in their order, are no others.

    Attributes:
        first: The name of the first one.
        path: The path of the folder.
        named: Its name.
        last: Their last names.
        sizes: How many bytes each of these has.
    """

    first: str
    path: str
    named: str
    last: bytes
    sizes: np.ndarray


def _runs(
    path: str, named: str, wanted: list[str], inside: list[str]
) -> Iterator[_Run]:
    """Cuts the files of a folder where folders inside of it come."""
    wanted.sort(key=name_of)
    cuts = [
        bisect.bisect(wanted, f"{name_of(name)}/", key=name_of)
        for name in inside
    ]
    for start, stop in itertools.pairwise([0, *sorted(cuts), len(wanted)]):
        if start < stop:
            some = [os.fsencode(name) for name in wanted[start:stop]]
            sizes = np.array([len(name) for name in some], np.int16)
            first = named + name_of(wanted[start])
            yield _Run(first, path, named, b"".join(some), sizes)


def _files(runs: list[_Run]) -> Files:
    runs.sort()
    folders = {}
    numbers = [
        folders.setdefault((x.path, x.named), len(folders)) for x in runs
    ]
    sizes = np.concatenate([np.zeros(0, np.int16), *(x.sizes for x in runs)])
    return Files(
        tuple(path for path, _ in folders),
        tuple(named for _, named in folders),
        np.repeat(np.array(numbers, np.int32), [len(x.sizes) for x in runs]),
        b"".join(x.last for x in runs),
        _ends(sizes),
    )


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
    """Yields the paths of all files, each with what is wrong with it.

    Args:
        root: A folder that exists. Hidden files and folders are left out.
    """
    for folder in _walk(root):
        for name, error in folder.entries:
            at = os.path.join(folder.path, name) if name else folder.path
            yield at, error


class _Folder(typing.NamedTuple):
    """A folder that is read.

    Attributes:
        path: Its path.
        entries: What it holds but for folders, by name, each with what is
            wrong with it; or what is wrong with the folder, without a name.
        inside: The names of folders in it.
    """

    path: str
    entries: list[tuple[str, OSError | None]]
    inside: list[str]


def _walk(root: pathlib.Path) -> Iterator[_Folder]:
    """Yields all folders.

    Folders come before links to them, so that of a loop or of two ways to one
    folder the one without links is read. Hidden ones are left out.
    """
    folders, links = collections.deque([str(root)]), collections.deque()
    entered = set()
    while folders or links:
        folder = folders.popleft() if folders else links.popleft()
        try:
            status = os.stat(folder)
            entries, here, linked = _read(folder)
        except OSError as error:
            yield _Folder(folder, [("", error)], [])
            continue
        if (status.st_dev, status.st_ino) in entered:
            yield _Folder(folder, [("", _REPEATED)], [])
            continue
        entered.add((status.st_dev, status.st_ino))
        folders += [os.path.join(folder, name) for name in here]
        links += [os.path.join(folder, name) for name in linked]
        yield _Folder(folder, entries, here + linked)


def _read(folder):
    """What a folder holds: others than folders, folders, and links to some."""
    entries, here, linked = [], [], []
    with os.scandir(folder) as opened:
        for entry in opened:
            if entry.name.startswith("."):
                continue
            is_folder, error = _kind(entry)
            if not is_folder:
                entries.append((entry.name, error))
            else:
                (linked if entry.is_symlink() else here).append(entry.name)
    return sorted(entries, key=lambda x: x[0]), sorted(here), sorted(linked)


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
