"""What the gate does besides testing, with stubs for what takes long."""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(program, *arguments, **variables):
    return subprocess.run(
        [program, *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("failing", "status"), [("none", 0), ("gate", 3), ("--oldest", 3)]
)
def test_continuous_integration_tests_both_ends_of_keras(
    tmp_path, failing, status
):
    (tmp_path / "bin").mkdir()
    stub = tmp_path / "bin" / "test"
    stub.write_text(
        '#!/bin/sh\necho "$@" >>"$0.log"\n'
        '[ "${1:-gate}" != "$FAILING" ] || exit 3\n'
    )
    stub.chmod(0o755)
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    done = run(tmp_path / ".ci" / "run", FAILING=failing, CI="")

    assert done.returncode == status
    assert (tmp_path / "bin" / "test.log").read_text() == "\n--oldest\n"


# Stands for the python of .venv: all is well but for pip.
PYTHON = """#!/bin/sh
case "$*" in
*" pip install "*"keras=="*) echo "no such version"; exit 1 ;;
esac
"""


@pytest.fixture
def tree(tmp_path):
    shutil.copytree(ROOT / "bin", tmp_path / "bin")
    shutil.copy(ROOT / "setup.py", tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON)
    python.chmod(0o755)
    (tmp_path / ".venv" / ".installed").write_text(f"{tmp_path}\n")
    return tmp_path


def test_without_the_oldest_keras_the_gate_says_why_it_ends(tree):
    done = run(tree / "bin" / "test", "--oldest")

    assert done.returncode == 1
    assert "installing Keras 3.12" in done.stderr
    assert "could not install Keras 3.12" in done.stderr
    assert done.stderr.endswith("no such version\n")
    assert not (tree / ".venv" / "keras-3.12").exists()


def test_a_bound_that_is_not_there_is_no_gate_without_it(tree):
    (tree / "setup.py").write_text('"keras",\n')
    installed = tree / ".venv" / ".installed"
    later = os.stat(tree / "setup.py").st_mtime + 1
    os.utime(installed, (later, later))
    done = run(tree / "bin" / "test", "--oldest")

    assert done.returncode == 1
    assert "keras>=VERSION" in done.stderr
