"""What the files of a run say, checked before anyone relies on it.

People edit these files, and disks damage them: whatever they hold, there is a
value here or an error that says which file is at fault.
"""

import csv
import math

import numpy as np

from tf_pseudolabel.lab import json_file
from tf_pseudolabel.lab.errors import InputError

# Where a run keeps the classifier of each arm, in the order of training.
ARM_FILES = {
    "supervised": "checkpoints/supervised.keras",
    "pseudo_label": "classifier.keras",
}
# From raw inputs to what a classifier takes, where these differ.
PREPROCESSING = "preprocessing.keras"
_LARGEST = 1e300
_FOLDERS = (
    "checkpoints",
    *(f"checkpoints/{arm}" for arm in ARM_FILES),
    "tensorboard",
    *(f"tensorboard/{arm}" for arm in ARM_FILES),
    "figures",
    "best",
    "saved_model",
)
_FILES = (
    "recipe.json",
    "split.json",
    "classes.json",
    "metrics.json",
    "history.csv",
    "warnings.json",
    "review.csv",
    "report.html",
    *ARM_FILES.values(),
    PREPROCESSING,
    *(f"best/{arm}.keras" for arm in ARM_FILES),
)
_MADE_AGAIN = (
    "Delete metrics.json, and give the command of the run again: it is made "
    "anew from the last checkpoint"
)


def _is_number(value):
    # Compared as they are: some integers are too large for a float.
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and -_LARGEST < value < _LARGEST
    )


def _is_count(value):
    return _is_number(value) and isinstance(value, int) and value >= 0


def _is_percent(value):
    return _is_number(value) and 0 <= value <= 100


def _holds(**kinds):
    """A check of dicts; other keys than these may be there, too."""
    return lambda value: (
        isinstance(value, dict)
        and kinds.keys() <= value.keys()
        and all(check(value[name]) for name, check in kinds.items())
    )


_KINDS = {
    "test_error_percent": _is_percent,
    "test_examples": _is_count,
    "labeled_examples": _is_count,
    "unlabeled_examples": _is_count,
    "epochs": _is_count,
    "updates": _is_count,
    "train_seconds": _is_number,
    "largest_alpha": _is_number,
    "right_alone": _is_count,
    "conditional_entropy": _holds(
        train=_is_number, unlabeled=_is_number, test=_is_number
    ),
    "validation": _holds(
        accuracy=_is_number, best_accuracy=_is_number, best_epoch=_is_count
    ),
}


def read_metrics(run_dir, needed=("test_error_percent",)):
    """Reads the figures of a finished run.

    Args:
        run_dir: Its `RunDirectory`.
        needed: Names of figures that every arm must have. Older runs lack some
            of the others.

    Returns:
        The content of `metrics.json`: a dict from arm to figures.

    Raises:
        InputError: If the run is not finished, or the file holds other things.
    """
    metrics = run_dir.read_json("metrics.json")
    if (
        not isinstance(metrics, dict)
        or not {"pseudo_label"} <= metrics.keys() <= {*ARM_FILES}
        or not all(isinstance(arm, dict) for arm in metrics.values())
    ):
        raise InputError(
            f"metrics.json must hold figures of {' and '.join(ARM_FILES)}; "
            f"that of {run_dir.path} does not. {_MADE_AGAIN}."
        )
    for arm, figures in metrics.items():
        for name in {**dict.fromkeys(needed), **figures}:
            _check_figure(run_dir, arm, name, figures)
    return metrics


def _check_figure(run_dir, arm, name, figures):
    value = figures.get(name)
    is_right = _KINDS.get(name, lambda value: True)
    if name in figures and is_right(value):
        return
    raise InputError(
        f"metrics.json must hold {name} of {arm} as bin/train writes it; got "
        f"{_short(value)} in {run_dir.path}. {_MADE_AGAIN}."
    )


def read_history(file):
    """Reads a run's figures of every epoch.

    Args:
        file: Path of `history.csv`. Columns may be missing: those of older
            runs are.

    Returns:
        A list of dicts in the order of the file: `arm` is a string, `epoch` an
        int, `class_shares` a float array `(classes,)` or None, anything else a
        finite float, NaN where unknown.

    Raises:
        InputError: If the file is missing or a cell is no number.
    """
    try:
        with open(file, newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines)
            if not {"arm", "epoch"} <= {*(reader.fieldnames or ())}:
                raise KeyError("no columns arm and epoch")
            return [_row(cells) for cells in reader]
    except OSError as error:
        problem = error.strerror
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        problem = f"{type(error).__name__}: {_short(error)}"
    raise InputError(
        f"{file} must hold a row of figures per arm and epoch; got: {problem}. "
        f"{_MADE_AGAIN}."
    )


def _row(cells):
    shares = cells.pop("class_shares", None)
    row = {"arm": cells.pop("arm"), "epoch": int(cells.pop("epoch"))}
    if row["arm"] not in ARM_FILES:
        raise ValueError(f"arm {row['arm']}")
    if not 0 <= row["epoch"] < 2**31:
        raise ValueError(f"epoch {row['epoch']}")
    values = {name: float(cell or math.nan) for name, cell in cells.items()}
    shares = np.array(shares.split(), float) if shares else None
    known = [*values.values(), *([] if shares is None else shares)]
    if any(map(math.isinf, known)):
        raise ValueError("infinity")
    return {**row, **values, "class_shares": shares}


def read_warnings(run_dir):
    """Reads what went wrong with the pseudo-labels of a run.

    Args:
        run_dir: Its `RunDirectory`.

    Returns:
        A list of dicts with `epoch`, `alarm` and `text`; empty where there is
        no `warnings.json`.

    Raises:
        InputError: If the file holds other things.
    """
    if not (run_dir / "warnings.json").exists():
        return []
    found = run_dir.read_json("warnings.json")
    is_alarm = _holds(epoch=_is_count, alarm=_is_text, text=_is_text)
    if not isinstance(found, list) or not all(map(is_alarm, found)):
        raise InputError(
            "warnings.json must hold a list of alarms with epoch, alarm and "
            f"text; that of {run_dir.path} does not. Delete it: nothing but "
            "the report reads it."
        )
    return found


def read_search(run_dir):
    """Reads what a search for a preset came to.

    Args:
        run_dir: The `RunDirectory` of a run.

    Returns:
        A list of strings, a line each; empty where the preset was not searched
        for.

    Raises:
        InputError: If the file holds other things.
    """
    if not (run_dir / "search.json").exists():
        return []
    record = run_dir.read_json("search.json")
    told = record.get("told") if isinstance(record, dict) else None
    if not isinstance(told, list) or not all(map(_is_text, told)):
        raise InputError(
            "search.json must hold what a search told; that of "
            f"{run_dir.path} does not. Delete it: the run has its preset."
        )
    return told


def read_record(run_dir):
    """Reads when, and with which versions, a run began.

    Args:
        run_dir: Its `RunDirectory`.

    Returns:
        The content of `recipe.json`: a dict. `read_recipe` checks the recipe.

    Raises:
        InputError: If the file holds other things.
    """
    record = run_dir.read_json("recipe.json")
    if not isinstance(record, dict) or not isinstance(
        record.get("versions", {}), dict
    ):
        raise InputError(
            f"recipe.json must hold what a run was made with; that of "
            f"{run_dir.path} does not. Put back the file that bin/train wrote."
        )
    return record


def read_split(run_dir):
    """Reads which examples a run was made with.

    Args:
        run_dir: Its `RunDirectory`.

    Returns:
        The content of `split.json`: a dict from a set to a list of ids.

    Raises:
        InputError: If the file holds other things.
    """
    split = run_dir.read_json("split.json")
    if not isinstance(split, dict) or not all(
        isinstance(ids, list) and ids and all(map(_is_text, ids))
        for ids in split.values()
    ):
        raise InputError(
            "a split must hold a list of ids for every set; split.json in "
            f"{run_dir.path} does not. Put back the file that bin/train wrote."
        )
    return split


def read_ids(path):
    """Reads a file of ids that a user wrote.

    Args:
        path: A JSON file.

    Returns:
        Whatever it holds; `splits.draw` checks it.

    Raises:
        InputError: If it cannot be read.
    """
    remedy = 'Write a list for every set, as {"test": ["some/id"]}.'
    return json_file.read(path, "a JSON file of ids by set", remedy)


def read_class_names(run_dir, data):
    """Reads the names of the classes, in the order of the outputs.

    Args:
        run_dir: A `RunDirectory`.
        data: The `Data` of the run, whose names are used where there is
            no `classes.json`: older runs have none.

    Returns:
        A tuple of strings.

    Raises:
        InputError: If the file holds other things, or another number of names.
    """
    if not (run_dir / "classes.json").exists():
        return data.class_names
    names = run_dir.read_json("classes.json")
    count = len(data.class_names)
    if (
        not isinstance(names, list)
        or not all(map(_is_text, names))
        or len(set(names)) != count
        or len(names) != count
    ):
        raise InputError(
            f"classes.json must hold a list of the names of {count} classes; "
            f"that of {run_dir.path} does not. Put back the file that "
            "bin/train wrote, or delete it: then the data say the names."
        )
    return tuple(names)


def check_layout(run_dir):
    """Refuses a directory in which files and folders are in each other's way.

    Args:
        run_dir: A `RunDirectory`.

    Raises:
        InputError: If a file is where a run has a folder, or the reverse.
    """
    for names, is_folder in ((_FOLDERS, True), (_FILES, False)):
        for name in names:
            path = run_dir / name
            if (path.exists() or path.is_symlink()) and (
                path.is_dir() != is_folder
            ):
                kinds = ("folder", "file") if is_folder else ("file", "folder")
                raise InputError(
                    f"{path} must be a {kinds[0]}; got a {kinds[1]}. Move it "
                    "away, and give the same command again."
                )


def _is_text(value):
    return isinstance(value, str)


def _short(value):
    if isinstance(value, (dict, list)):
        return f"a {type(value).__name__}"
    text = "none" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
