"""The files of a run: written beside their place, then renamed into it."""

import contextlib
import csv
import errno
import fcntl
import json
import os
import pathlib
import tempfile

from tf_pseudolabel.lab import json_file
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.replacing import replacing

# How often a directory may vanish while it is being locked.
_ATTEMPTS = 9
# One of them says what a run is, as soon as it has begun.
_RECORDS = ("recipe.json", "search.json")
HISTORY_COLUMNS = (
    "arm",
    "epoch",
    "alpha",
    "loss",
    "labeled_loss",
    "unlabeled_loss",
    "accuracy",
    "val_loss",
    "val_accuracy",
    "pseudo_label_accuracy",
    "accepted_accuracy",
    "coverage",
    "confidence",
    "entropy",
    "class_distance",
    "churn",
    "calibration_error",
    "class_shares",
)


class RunDirectory:
    """A directory with one run in it.

    Args:
        path: Where it lies.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def __truediv__(self, name):
        return self.path / name

    def write_json(self, name, content):
        """Writes a JSON file.

        Args:
            name: File name.
            content: What `json.dumps` takes; NaN becomes null.
        """
        text = _json(_without_nan(content))
        with self.replacing(name) as partial:
            partial.write_bytes(_encoded(f"{text}\n"))

    def write_lists(self, name, lists):
        """Writes what `write_json` would, but never holds all of it.

        Args:
            name: File name.
            lists: A dict from names to strings, `Strings` or arrays of them.
        """
        with self.replacing(name) as partial, partial.open("wb") as file:
            file.writelines(_written(lists))

    def holds_lists(self, name, lists):
        """Whether a file is what `write_lists` writes, to the last byte.

        Args:
            name: File name.
            lists: As for `write_lists`.

        Returns:
            Bool.
        """
        with open(self / name, "rb") as file:
            same = all(file.read(len(x)) == x for x in _written(lists))
            return same and not file.read(1)

    def read_json(self, name):
        """Returns what a JSON file of the run holds.

        Args:
            name: File name.

        Raises:
            InputError: If the file is missing or is not JSON.
        """
        try:
            os.stat(self / name)
        except OSError as error:
            raise InputError(
                f"A run directory holds {name}, which cannot be read in "
                f"{self.path}: {error.strerror}. Give the directory that "
                "bin/train printed."
            ) from None
        return json_file.read(
            self / name,
            "JSON",
            "Put back the file that bin/train wrote, or run it again with "
            "another --output_dir.",
        )

    def write_history(self, rows):
        """Writes `history.csv`.

        Args:
            rows: List of dicts with keys of `HISTORY_COLUMNS`; a value that is
                missing or NaN leaves its cell empty.
        """
        with (
            self.replacing("history.csv") as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(
                file, HISTORY_COLUMNS, extrasaction="ignore"
            )
            writer.writeheader()
            for row in rows:
                writer.writerow(
                    {k: "" if v != v else v for k, v in row.items()}
                )

    def replacing(self, name):
        """Gives a path to write to, and renames it to `name` on success.

        Args:
            name: Path of a file or directory inside the run.

        Returns:
            A context; see `replacing`.
        """
        return replacing(self / name)


@contextlib.contextmanager
def opened(path):
    """Makes a run directory, or opens that of an interrupted run.

    While it is open, no other process can open it. What stays empty of it is
    removed.

    Args:
        path: Where; parents are made as needed.

    Yields:
        A `RunDirectory`.

    Raises:
        InputError: If something else is there already, nothing can be written,
            or another process has it open.
    """
    path = pathlib.Path(path)
    with contextlib.ExitStack() as held:
        try:
            is_ours = _enter(path, held)
            if is_ours:
                _check_free(path)
        except OSError as error:
            raise InputError(
                "--output_dir must be a directory that can be written to; got "
                f"{path}: {error.strerror}. Name another directory."
            ) from None
        if not is_ours:
            raise InputError(
                f"Another process is training in {path}. Wait for it, or "
                "name another --output_dir."
            )
        yield RunDirectory(path)


def _enter(path, held):
    """Makes and locks a directory; says whether the lock is ours.

    What another process finds empty when it ends, it removes, even if it has
    just been made here.
    """
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            return _enter_once(path, held)
    return _enter_once(path, held)


def _enter_once(path, held):
    made = [part for part in (path, *path.parents) if not part.exists()]
    with contextlib.ExitStack() as undo:
        # Nobody can have locked these; the directory itself may be another's.
        undo.callback(_remove_empty, made[1:])
        path.mkdir(parents=True, exist_ok=True)
        is_ours = held.enter_context(locked(path))
        undo.pop_all()
    if is_ours:
        # Called while the lock is still held.
        held.callback(_remove_empty, made)
    return is_ours


def _remove_empty(directories):
    for directory in directories:
        with contextlib.suppress(OSError):
            directory.rmdir()


def _check_free(path):
    """Refuses a directory with other things in it, or closed to us."""
    begun = any((path / name).exists() for name in _RECORDS)
    if not begun and _visible(path):
        raise InputError(
            "--output_dir must be new, empty, or that of a run, so that "
            f"nothing is overwritten; got {path}. Name another directory."
        )
    with tempfile.TemporaryFile(dir=path):
        pass


@contextlib.contextmanager
def discarded():
    """A run directory for a machine whose files nobody needs.

    Yields:
        A `RunDirectory`, removed at the end.
    """
    with tempfile.TemporaryDirectory() as path:
        yield RunDirectory(path)


def interrupted(parent, recipe, record="recipe.json"):
    """Finds a run that was interrupted.

    Args:
        parent: Directory of run directories.
        recipe: Dict: the recipe that the run must have.
        record: The file that says so: `recipe.json`, or `search.json` of runs
            whose preset is searched for.

    Returns:
        The path of the newest such run that no process has open, or None.
    """
    found = []
    for path in pathlib.Path(parent).glob(f"*/{record}"):
        run_dir = RunDirectory(path.parent)
        # The rounds of bin/selftrain are told by its directory alone.
        others = ("metrics.json", "rounds.json")
        if any((run_dir / name).exists() for name in others):
            continue
        with contextlib.suppress(InputError, TypeError, KeyError, OSError):
            if run_dir.read_json(record)["recipe"] == recipe:
                with locked(run_dir.path) as is_free:
                    if is_free:
                        found.append((path.stat().st_mtime, run_dir.path))
    return max(found)[1] if found else None


@contextlib.contextmanager
def locked(path):
    """Locks a directory, unless another process has it locked.

    The lock goes with the process, however it ends.

    Args:
        path: The directory.

    Yields:
        A bool: whether it is ours.

    Raises:
        FileNotFoundError: If it is not there, or not any more.
    """
    directory = os.open(path, os.O_RDONLY)
    try:
        is_ours = _lock(directory)
        # What was opened may have been removed before it was locked.
        if not os.path.samestat(os.fstat(directory), os.stat(path)):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        yield is_ours
    finally:
        os.close(directory)


def _lock(directory):
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # Some network file systems know no locks.
    return True


def _visible(path):
    """What is in a directory, but for what a killed process leaves behind."""
    return [name for name in os.listdir(path) if not name.startswith(".")]


def _written(lists):
    """Yields what `write_json` writes of lists, in parts."""
    before = "{\n  "
    for name, items in lists.items():
        yield _encoded(f"{before}{_json(name)}: [")
        for start in range(0, len(items), 1000):
            some = items[start : start + 1000].tolist()
            comma = "," if start else ""
            yield _encoded(comma + ",".join(f"\n    {_json(x)}" for x in some))
        before = "\n  ],\n  "
    yield b"\n  ]\n}\n"


def _json(content):
    return json.dumps(content, indent=2, ensure_ascii=False)


def _encoded(text):
    # Paths of other encodings become escapes, which JSON reads back.
    return text.encode("utf-8", "backslashreplace")


def _without_nan(content):
    if isinstance(content, dict):
        return {key: _without_nan(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_without_nan(value) for value in content]
    return None if content != content else content
