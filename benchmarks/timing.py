"""What the benchmarks share: turns, medians, a table and a JSON file."""

import importlib.util
import json
import os
import pathlib
import platform
import statistics
import subprocess


def take_turns(contenders, rounds):
    """Times contenders side by side, so that a slow minute is everyone's.

    Args:
        contenders: Dict from name to a function that returns a time.
        rounds: Int: how often each is called. Each round begins with another.

    Returns:
        Dict from name to its times.
    """
    names = list(contenders)
    times = {name: [] for name in names}
    for turn in range(rounds):
        for place in range(len(names)):
            name = names[(turn + place) % len(names)]
            times[name].append(contenders[name]())
    return times


def pytorch_is_there(package="torch"):
    """Whether PyTorch can take part; says so if it cannot."""
    if importlib.util.find_spec(package) is not None:
        return True
    print(f"PyTorch is left out: pip install {package}")
    return False


def ratios(times, over):
    """One's time over the other's, round by round."""
    return [mine / other for mine, other in zip(times, over, strict=True)]


def figure(name, unit, values, better="lower"):
    """One line of a result: `compare.py` compares lines of the same name.

    Args:
        name: String.
        unit: String, such as `"ms"`.
        values: List of floats, whose median counts.
        better: `"lower"` or `"higher"`; None: nothing to compare, as with
            differences near 0.
    """
    return {
        "name": name,
        "unit": unit,
        "better": better,
        "median": statistics.median(values),
        "values": values,
    }


def report(benchmark, figures, output=None):
    """Prints figures as a table and writes them as JSON.

    Args:
        benchmark: Name of the benchmark.
        figures: List of what `figure` returned.
        output: Path of the JSON file, or None.
    """
    width = max(len(line["name"]) for line in figures)
    for line in figures:
        low, high = min(line["values"]), max(line["values"])
        print(
            f"{line['name']:<{width}}  {line['median']:10.4g} {line['unit']:<9}"
            f" ({low:.4g} to {high:.4g}, {len(line['values'])} times)"
        )
    if output:
        result = {
            "benchmark": benchmark,
            "commit": _commit(),
            "machine": machine(),
            "figures": figures,
        }
        pathlib.Path(output).write_text(json.dumps(result, indent=1) + "\n")


def machine():
    """What the figures depend on."""
    lines = pathlib.Path("/proc/cpuinfo")
    models = [
        line.partition(":")[2].strip()
        for line in (lines.read_text().splitlines() if lines.exists() else [])
        if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "oneDNN": os.environ.get("TF_ENABLE_ONEDNN_OPTS", ""),
    }


def _commit():
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],
        cwd=pathlib.Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()
