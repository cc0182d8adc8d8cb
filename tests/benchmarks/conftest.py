import json
import pathlib
import subprocess
import sys

import pytest

BENCHMARKS = pathlib.Path(__file__).resolve().parents[2] / "benchmarks"
# They are programs beside the package, and import each other by name.
sys.path.insert(0, str(BENCHMARKS))


def _run(name, *arguments):
    return subprocess.run(
        [sys.executable, BENCHMARKS / name, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(name="run")
def fixture_run():
    """Runs a benchmark in a process of its own, as users start it."""
    return _run


@pytest.fixture
def figures_of(tmp_path):
    """Runs a benchmark; returns the figures that it wrote, by name."""

    def figures(name, *arguments):
        path = tmp_path / "result.json"
        done = _run(name, f"--output={path}", *arguments)
        assert done.returncode == 0, done.stderr
        found = json.loads(path.read_text())["figures"]
        assert all(line["name"] in done.stdout for line in found)
        return {line["name"]: line for line in found}

    return figures
