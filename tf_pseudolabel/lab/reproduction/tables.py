"""From the rows of runs to a table: CSV, and Markdown between markers."""

import re
import statistics

from scipy import stats

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.replacing import replacing
from tf_pseudolabel.lab.reproduction.rows import write_csv

COLUMNS = (
    "method",
    "variant",
    "labels",
    "arm",
    "seeds",
    "error_percent_mean",
    "error_percent_ci95",
    "entropy_train",
    "entropy_unlabeled",
    "entropy_test",
    "epochs",
    "updates",
    "train_seconds_median",
    "commit",
)
_CELL = ("method", "variant", "labels", "arm")
_ENTROPIES = ("entropy_train", "entropy_unlabeled", "entropy_test")


def cells(rows, measured_on):
    """Puts the runs of each cell together.

    Args:
        rows: Rows of finished runs, as `rows.read` returns them.
        measured_on: `"test"` or `"validation"`: whose errors are shown.

    Returns:
        A list of dicts from `COLUMNS`, in the order in which cells first
        appear. `error_percent_ci95` is half the width of the 95 % interval of
        the mean (Student's t); None for a single run.
    """
    found = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in _CELL), []).append(row)
    return [
        {
            **dict(zip(_CELL, cell, strict=True)),
            **_figures(group, f"{measured_on}_error_percent"),
        }
        for cell, group in found.items()
    ]


def _figures(group, column):
    mean, half_width = interval([float(row[column]) for row in group])
    last = group[-1]
    return {
        "seeds": len(group),
        "error_percent_mean": round(mean, 4),
        "error_percent_ci95": half_width and round(half_width, 4),
        **{
            name: statistics.mean(float(row[name]) for row in group)
            for name in _ENTROPIES
        },
        "epochs": last["epochs"],
        "updates": last["updates"],
        "train_seconds_median": statistics.median(
            float(row["train_seconds"]) for row in group
        ),
        "commit": " ".join(dict.fromkeys(row["commit"] for row in group)),
    }


def interval(values):
    """The mean, and half the width of its 95 % interval (Student's t).

    Args:
        values: List of floats, at least one.

    Returns:
        A pair of floats; the second is None for a single value.
    """
    mean = statistics.mean(values)
    if len(values) < 2:
        return mean, None
    error = statistics.stdev(values) / len(values) ** 0.5
    return mean, float(stats.t.ppf(0.975, len(values) - 1)) * error


def write(found, path):
    """Writes cells to a CSV file.

    Args:
        found: What `cells` returned.
        path: The file, written or replaced.
    """
    write_csv(found, COLUMNS, path)


def errors_by_labels(found, published=()):
    """Lays out errors: a line per method, a column per number of labels.

    Args:
        found: What `cells` returned.
        published: Pairs of a name and a dict from number of labels to error,
            lines to stand below.

    Returns:
        Markdown.
    """
    columns = sorted({int(cell["labels"]) for cell in found})
    lines = _head(["method", *(f"{labels} labels" for labels in columns)])
    errors = {}
    for cell in found:
        of_line = errors.setdefault(_line_of(cell), {})
        of_line[int(cell["labels"])] = _error(cell)
    for line, of_line in errors.items():
        values = [of_line.get(labels, "") for labels in columns]
        lines.append(_row([_name(*line), *values]))
    for name, figures in published:
        known = {labels: f"{error:.2f}" for labels, error in figures.items()}
        lines.append(_row([name, *(known.get(n, "–") for n in columns)]))
    return "\n".join(lines)


def errors_above(found, published):
    """Lays out by how much errors differ from published ones.

    Args:
        found: What `cells` returned.
        published: Dict from a method to the name of a published line and its
            dict from number of labels to error.

    Returns:
        Markdown: for each method and number of labels the difference of the
        mean, with the 95 % interval of that mean.
    """
    columns = sorted({int(cell["labels"]) for cell in found})
    lines = _head(["method", *(f"{labels} labels" for labels in columns)])
    for method, (name, figures) in published.items():
        errors = {
            int(cell["labels"]): _error(cell, figures[int(cell["labels"])])
            for cell in found
            if cell["method"] == method
        }
        if errors:
            values = [errors.get(labels, "") for labels in columns]
            lines.append(_row([f"`{method}`, from {name}", *values]))
    return "\n".join(lines)


def entropies(found, published=()):
    """Lays out conditional entropies: a line per method.

    Args:
        found: What `cells` returned, of one number of labels.
        published: Pairs of a name and three figures, lines to stand below.

    Returns:
        Markdown.
    """
    lines = _head(["method", "train", "unlabeled", "test"])
    for cell in found:
        values = [f"{cell[name]:.4f}" for name in _ENTROPIES]
        lines.append(_row([_name(*_line_of(cell)), *values]))
    for name, figures in published:
        lines.append(_row([name, *map(str, figures)]))
    return "\n".join(lines)


def differences(rows, method, column):
    """Lays out by how much methods differ from one of them on the same splits.

    Args:
        rows: Rows of finished runs, as `rows.read` returns them, whose cells
            differ in method and number of labels alone.
        method: Name of the method that is taken from the others.
        column: Name of the column of errors.

    Returns:
        Markdown: for each method and number of labels the mean over the splits
        that both have, with the 95 % interval of the paired difference.
    """
    errors = {}
    for row in rows:
        split = row["labels"], row["seed"]
        errors.setdefault(row["method"], {})[split] = float(row[column])
    reference = errors.pop(method, {})
    columns = sorted({int(row["labels"]) for row in rows})
    lines = _head(["method", *(f"{labels} labels" for labels in columns)])
    for other, of_other in errors.items():
        both = sorted(of_other.keys() & reference.keys())
        values = [
            _with_interval(
                [
                    of_other[split] - reference[split]
                    for split in both
                    if split[0] == str(labels)
                ],
                "+.2f",
            )
            for labels in columns
        ]
        lines.append(_row([f"`{other}`", *values]))
    return "\n".join(lines)


def _with_interval(values, form):
    if not values:
        return ""
    mean, half_width = interval(values)
    text = format(mean, form)
    if half_width is not None:
        text += f" ± {half_width:.2f}"
    return f"{text} ({len(values)})"


def _line_of(cell):
    return cell["method"], cell["variant"], cell["arm"]


def _name(method, variant, arm):
    parts = [f"`{method}`", variant]
    if arm == "supervised":
        parts.append("labels alone")
    return ", ".join(filter(None, parts))


def _error(cell, above=None):
    mean = cell["error_percent_mean"]
    text = f"{mean:.2f}" if above is None else f"{mean - above:+.2f}"
    if cell["error_percent_ci95"] is not None:
        text += f" ± {cell['error_percent_ci95']:.2f}"
    return f"{text} ({cell['seeds']})"


def _head(names):
    return [_row(names), _row(["---"] * len(names))]


def _row(values):
    return f"| {' | '.join(values)} |"


def check_markers(name, path):
    """Refuses a page that has no place for a table.

    Args:
        name: What the markers `<!-- name -->` and `<!-- /name -->` are called.
        path: The page.

    Raises:
        InputError: If the page lacks the markers.
    """
    if not _between(name).search(path.read_text(encoding="utf-8")):
        raise InputError(
            f"{path} must hold the lines <!-- {name} --> and <!-- /{name} -->, "
            "between which the table is written; it does not. Add them where "
            "it shall stand."
        )


def _between(name):
    name = re.escape(name)
    return re.compile(f"(<!-- {name} -->).*?(<!-- /{name} -->)", re.DOTALL)


def put_between_markers(text, name, path):
    """Replaces what a page holds between the markers of a name.

    Args:
        text: Markdown to stand there.
        name: What the markers `<!-- name -->` and `<!-- /name -->` are called.
        path: The page.

    Raises:
        InputError: If the page lacks the markers.
    """
    check_markers(name, path)
    page = _between(name).sub(
        lambda found: f"{found[1]}\n\n{text}\n\n{found[2]}",
        path.read_text(encoding="utf-8"),
    )
    with replacing(path) as partial:
        partial.write_text(page, encoding="utf-8")
