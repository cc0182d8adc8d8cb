"""Labels that people gave to rows."""

import csv
import pathlib

from tf_pseudolabel.lab.data.files import listed, shown
from tf_pseudolabel.lab.errors import InputError, reason_of

COLUMNS = ("id", "label")


def read(path, class_names):
    """Reads a CSV file of corrections.

    Args:
        path: The file; it has the columns id and label, perhaps others.
        class_names: Of all classes.

    Returns:
        A dict from ids to labels.

    Raises:
        InputError: If it cannot be read, lacks a column, names a class that
            there is not, or gives a row two labels.
    """
    found = {}
    for line, row in _rows(path):
        name, label = row["id"], row["label"]
        if label not in class_names:
            raise InputError(
                f"labels of --review must be names of classes, "
                f"{listed([shown(str(x)) for x in class_names])}; got "
                f'"{shown(str(label))}" in line {line} of {shown(path)}; '
                "correct it"
            )
        if found.setdefault(name, label) != label:
            raise InputError(
                f"a row of --review must have one label; got two for "
                f"{shown(name)}, the second in line {line} of {shown(path)}; "
                "leave one out"
            )
    return found


def _rows(path):
    place = pathlib.Path(path)
    try:
        with place.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            lacking = [x for x in COLUMNS if x not in (rows.fieldnames or ())]
            if lacking:
                raise InputError(
                    f"a file of --review must have the columns id and label; "
                    f"got none called {listed(lacking)} in {shown(path)}; add "
                    "it"
                )
            for row in rows:
                yield rows.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"a file of --review must be CSV in UTF-8; got: {reason_of(error)} "
            f"({shown(path)}); correct it"
        ) from error
