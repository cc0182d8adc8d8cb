"""The files of a run: written beside their place, then renamed into it."""

import contextlib
import csv
import json
import os
import pathlib

from tf_pseudolabel.errors import InputError

HISTORY_COLUMNS = (
    "arm",
    "epoch",
    "alpha",
    "loss",
    "labeled_loss",
    "unlabeled_loss",
    "accuracy",
    "pseudo_label_accuracy",
    "val_loss",
    "val_accuracy",
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
            partial.write_text(text + "\n", encoding="utf-8")

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
            name: Path of a file inside the run.

        Yields:
            A `pathlib.Path` in the same directory, with the same suffix.
        """
        final = self / name
        final.parent.mkdir(parents=True, exist_ok=True)
        partial = final.with_name(f".partial-{final.name}")
        try:
            yield partial
            os.replace(partial, final)
        finally:
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def create(path):
    """Makes an empty run directory, and removes what stays empty of it.

    Args:
        path: Where; parents are made as needed.

    Yields:
        A `RunDirectory`.

    Raises:
        InputError: If something is there already, or nothing can be written.
    """
    path = pathlib.Path(path)
    made = []
    try:
        made = [part for part in (path, *path.parents) if not part.exists()]
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise InputError(
                "--output_dir must be new or empty, so that no run is "
                f"overwritten; got {path}. Name another directory."
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
        yield RunDirectory(path)
    finally:
        with contextlib.suppress(OSError):
            for part in made:
                part.rmdir()


def _without_nan(content):
    if isinstance(content, dict):
        return {key: _without_nan(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_without_nan(value) for value in content]
    return None if content != content else content
