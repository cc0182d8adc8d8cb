"""Puts two results of a benchmark side by side; a slowdown is a failure.

    .venv/bin/python benchmarks/compare.py before.json after.json --margin=0.05

Figures of the same name are compared by their medians. Ends with status 1 if
one that is judged got worse by more than the margin, as a share of what it was.
What depends on the machine and its day alone is shown, and not judged.
"""

import json
import pathlib

from absl import app, flags

flags.DEFINE_float(
    "margin", 0.05, "how much worse a figure may get", lower_bound=0
)


def read(path):
    """The machine of a result, and its figures by name."""
    try:
        result = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        figures = {line["name"]: line for line in result["figures"]}
        return result["machine"], figures
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise app.UsageError(
            f"{path} must be what a benchmark wrote with --output; got "
            f"{type(error).__name__}: {error}"
        ) from error


def change(before, after):
    """By what share of what it was a figure changed; NaN from 0.

    Args:
        before: A figure, as `timing.figure` made it.
        after: That of the same name.
    """
    if not before["median"]:
        return float("nan")
    return after["median"] / before["median"] - 1


def verdict(before, changed, margin):
    """What a change means: `"WORSE"`, `"better"`, or nothing."""
    if before["better"] is None or abs(changed) <= margin:
        return ""
    better = (changed < 0) == (before["better"] == "lower")
    return "better" if better else "WORSE"


def main(argv):
    """Prints the table; returns the exit status."""
    if len(argv) != 3:
        raise app.UsageError("compare.py takes two files: before and after")
    (machine, before), (machine_then, after) = map(read, argv[1:])
    both = [name for name in before if name in after]
    if not both:
        raise app.UsageError("the two files have no figure in common")
    if machine != machine_then:
        print(f"Not the same machine: {machine}, then {machine_then}.")
    width = max(map(len, both))
    verdicts = []
    for name in both:
        changed = change(before[name], after[name])
        verdicts.append(verdict(before[name], changed, flags.FLAGS.margin))
        print(
            f"{name:<{width}}  {before[name]['median']:10.4g} -> "
            f"{after[name]['median']:10.4g} {before[name]['unit']:<9}"
            f"{100 * changed:+7.1f} %  {verdicts[-1]}".rstrip()
        )
    for names, path in (
        (before.keys() - after.keys(), argv[2]),
        (after.keys() - before.keys(), argv[1]),
    ):
        for name in sorted(names):
            print(f"{name}: not in {path}")
    return int("WORSE" in verdicts)


if __name__ == "__main__":
    app.run(main)
