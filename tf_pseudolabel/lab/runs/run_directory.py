"""The files of a run: written beside their place, then renamed into it."""

import contextlib
import csv
import fcntl
import json
import os
import pathlib
import shutil
import tempfile

from tf_pseudolabel.lab.errors import InputError

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
        text = json.dumps(_without_nan(content), indent=2, ensure_ascii=False)
        with self.replacing(name) as partial:
            # Paths of other encodings become escapes, which JSON reads back.
            partial.write_bytes(f"{text}\n".encode("utf-8", "backslashreplace"))

    def read_json(self, name):
        """Returns what a JSON file of the run holds.

        Args:
            name: File name.

        Raises:
            InputError: If the file is missing or is not JSON.
        """
        try:
            return json.loads((self / name).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(
                f"A run directory holds {name}, which cannot be read in "
                f"{self.path}: {error.strerror}. Give the directory that "
                "bin/train printed."
            ) from None
        except ValueError as error:
            raise InputError(
                f"{self / name} must be JSON; got: {error}. Run bin/train "
                "again."
            ) from None

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

    @contextlib.contextmanager
    def replacing(self, name):
        """Gives a path to write to, and renames it to `name` on success.

        Args:
            name: Path of a file or directory inside the run.

        Yields:
            A `pathlib.Path` in the same directory, with the same suffix.

        Raises:
            InputError: If it cannot be written.
        """
        final = self / name
        partial = final.with_name(f".partial-{final.name}")
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            _remove(partial)
            yield partial
            if final.is_dir():
                shutil.rmtree(final)
            os.replace(partial, final)
        except OSError as error:
            raise InputError(
                f"{final} could not be written: {error}. Make room, and give "
                "the same command again to go on."
            ) from error
        finally:
            with contextlib.suppress(OSError):
                _remove(partial)


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
    made = []
    try:
        made = [part for part in (path, *path.parents) if not part.exists()]
        path.mkdir(parents=True, exist_ok=True)
        if not (path / "recipe.json").exists() and _visible(path):
            raise InputError(
                "--output_dir must be new, empty, or that of a run, so that "
                f"nothing is overwritten; got {path}. Name another directory."
            )
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"--output_dir must be a directory that can be written to; got "
            f"{path}: {error.strerror}. Name another directory."
        ) from None
    try:
        with locked(path) as is_ours:
            if not is_ours:
                raise InputError(
                    f"Another process is training in {path}. Wait for it, or "
                    "name another --output_dir."
                )
            yield RunDirectory(path)
    finally:
        with contextlib.suppress(OSError):
            for part in made:
                part.rmdir()


@contextlib.contextmanager
def discarded():
    """A run directory for a machine whose files nobody needs.

    Yields:
        A `RunDirectory`, removed at the end.
    """
    with tempfile.TemporaryDirectory() as path:
        yield RunDirectory(path)


def interrupted(parent, recipe):
    """Finds a run that was interrupted.

    Args:
        parent: Directory of run directories.
        recipe: Dict: the recipe that the run must have.

    Returns:
        The path of the newest such run that no process has open, or None.
    """
    found = []
    for record in pathlib.Path(parent).glob("*/recipe.json"):
        run_dir = RunDirectory(record.parent)
        if (run_dir / "metrics.json").exists():
            continue
        with contextlib.suppress(InputError, TypeError, KeyError):
            if run_dir.read_json("recipe.json")["recipe"] == recipe:
                with locked(run_dir.path) as is_free:
                    if is_free:
                        found.append((record.stat().st_mtime, run_dir.path))
    return max(found)[1] if found else None


@contextlib.contextmanager
def locked(path):
    """Locks a directory, unless another process has it locked.

    The lock goes with the process, however it ends.

    Args:
        path: The directory.

    Yields:
        A bool: whether it is ours.
    """
    directory = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    except OSError:
        yield True  # Some network file systems know no locks.
    else:
        yield True
    finally:
        os.close(directory)


def _visible(path):
    """What is in a directory, but for what a killed process leaves behind."""
    return [name for name in os.listdir(path) if not name.startswith(".")]


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _without_nan(content):
    if isinstance(content, dict):
        return {key: _without_nan(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_without_nan(value) for value in content]
    return None if content != content else content
