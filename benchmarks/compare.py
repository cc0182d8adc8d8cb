"""Puts two results of a benchmark side by side; a slowdown is a failure.

    .venv/bin/python benchmarks/compare.py before.json after.json --margin=0.05

Figures of the same name are compared by their medians. Ends with status 1 if
one got worse by more than the margin, as a share of what it was.
"""

import json
import pathlib

from absl import app, flags

flags.DEFINE_float(
    "margin", 0.05, "how much worse a figure may get", lower_bound=0
)


def read(path):
    """The figures of a result by name."""
    try:
        result = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        return {line["name"]: line for line in result["figures"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise app.UsageError(
            f"{path} must be what a benchmark wrote with --output; got "
            f"{type(error).__name__}: {error}"
        ) from error


def loss(before, after):
    """How much worse a figure got, as a share of what it was; below 0: better.

    Args:
        before: A figure, as `timing.figure` made it.
        after: That of the same name.
    """
    change = after["median"] / before["median"] - 1
    return change if before["better"] == "lower" else -change


def main(argv):
    """Prints the table; returns the exit status."""
    if len(argv) != 3:
        raise app.UsageError("compare.py takes two files: before and after")
    before, after = map(read, argv[1:])
    both = [
        name
        for name, line in before.items()
        if name in after and line["better"]
    ]
    if not both:
        raise app.UsageError("the two files have no figure in common")
    width = max(map(len, both))
    worse = 0
    for name in both:
        found = loss(before[name], after[name])
        slower = found > flags.FLAGS.margin
        worse += slower
        print(
            f"{name:<{width}}  {before[name]['median']:10.4g} -> "
            f"{after[name]['median']:10.4g} {before[name]['unit']:<9}"
            f"{100 * found:+7.1f} %{'  WORSE' if slower else ''}"
        )
    for name in before.keys() - after.keys():
        print(f"{name}: not in {argv[2]}")
    return int(worse > 0)


if __name__ == "__main__":
    app.run(main)
