"""The launchers, with a fake Python in place of a TensorFlow installation."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = ["python3", *(f"python3.{minor}" for minor in range(10, 14))]
# Makes a .venv that holds itself, and notes what pip is asked for.
FAKE = f"""#!/bin/sh
case "$*" in
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip install "*)
    echo install >>"$PIP_LOG"
    sleep "$PIP_SECONDS"
    echo "pip's last word"
    exit "$PIP_STATUS"
    ;;
"-m tf_pseudolabel."*) shift; printf '%s\\n' "$PWD" "$@" ;;
*) exec "{sys.executable}" "$@" ;;
esac
"""


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A tree of launchers; every Python on the PATH is a fake."""
    root = tmp_path / "the tree"
    shutil.copytree(ROOT / "bin", root / "bin")
    (root / "setup.py").touch()
    os.utime(root / "setup.py", (0, 0))
    (tmp_path / "fakes").mkdir()
    fake_pythons(tmp_path, FAKE)
    path = f"{tmp_path / 'fakes'}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setenv("PIP_LOG", str(tmp_path / "pip.log"))
    monkeypatch.setenv("PIP_STATUS", "0")
    monkeypatch.setenv("PIP_SECONDS", "0")
    return root


def fake_pythons(tmp_path, text, names=NAMES):
    for name in names:
        fake = tmp_path / "fakes" / name
        fake.write_text(text)
        fake.chmod(0o755)


def train(root, *arguments, cwd=None, launcher="bin/train"):
    return subprocess.run(
        [root / launcher, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )


def installs(root):
    log = root.parent / "pip.log"
    return log.read_text().count("install") if log.exists() else 0


def test_first_start_installs_and_the_second_does_not(tree):
    first = train(tree)
    assert first.returncode == 0, first.stderr
    assert len(first.stderr.splitlines()) == 1
    assert "bin/train: installing" in first.stderr
    second = train(tree)
    assert (second.returncode, second.stderr) == (0, "")
    assert installs(tree) == 1


def test_arguments_and_directory_are_the_users(tree, tmp_path):
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    (elsewhere / "link").symlink_to(tree / "bin" / "train")
    done = subprocess.run(
        ["./link", "--name=a b", ""],
        cwd=elsewhere,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split("\n") == [
        str(elsewhere),
        "tf_pseudolabel.lab.cli.train",
        "--name=a b",
        "",
        "",
    ]


def test_a_newer_setup_py_installs_into_what_is_there(tree):
    train(tree)
    kept = tree / ".venv" / "kept"
    kept.touch()
    later = os.stat(tree / ".venv" / ".installed").st_mtime + 1
    os.utime(tree / "setup.py", (later, later))
    train(tree)
    assert installs(tree) == 2
    assert kept.exists()


def test_an_environment_cut_short_is_made_anew(tree):
    train(tree)
    kept = tree / ".venv" / "kept"
    kept.touch()
    (tree / ".venv" / ".installed").rename(tree / ".venv" / ".installing")
    assert train(tree).returncode == 0
    assert installs(tree) == 2
    assert not kept.exists()


def test_an_environment_copied_from_another_tree_is_made_our_own(tree):
    train(tree)
    copy = tree.with_name("copy")
    shutil.copytree(tree, copy)
    assert train(copy).returncode == 0
    assert installs(tree) == 2
    assert (copy / ".venv" / ".installed").read_text() == f"{copy}\n"


def test_a_refusal_of_pip_is_told_and_tried_again(tree, monkeypatch):
    monkeypatch.setenv("PIP_STATUS", "3")
    refused = train(tree)
    assert refused.returncode == 3
    assert refused.stdout == ""
    lines = refused.stderr.splitlines()
    assert "could not make .venv" in lines[1]
    assert lines[-1] == "pip's last word"
    monkeypatch.setenv("PIP_STATUS", "0")
    assert train(tree).returncode == 0
    assert installs(tree) == 2


def test_of_two_at_once_one_installs_and_one_waits(tree, monkeypatch):
    monkeypatch.setenv("PIP_SECONDS", "1")
    both = [
        subprocess.Popen(
            [tree / "bin" / "train"], stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    told = sorted(process.communicate(timeout=60)[1] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert "installing" in told[0]
    assert "waiting" in told[1]
    assert installs(tree) == 1


def test_without_a_supported_python_one_line_says_so(tree, tmp_path):
    fake_pythons(tmp_path, "#!/bin/sh\necho 3.9.18\nexit 1\n")
    fake_pythons(tmp_path, "#!/bin/sh\nexit 127\n", ["python3.12"])
    done = train(tree)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "3.10 to 3.13" in done.stderr
    assert "python3 (3.9.18)" in done.stderr
    assert "python3.12 (does not run)" in done.stderr
    assert not (tree / ".venv").exists()


def test_the_first_python_that_runs_is_taken(tree, tmp_path):
    fake_pythons(tmp_path, "#!/bin/sh\nexit 127\n", NAMES[:-1])
    assert train(tree).returncode == 0


def test_launchers_and_metadata_agree_on_the_versions_of_python():
    metadata = (ROOT / "setup.py").read_text(encoding="utf-8")
    launcher = (ROOT / "bin" / "environment.sh").read_text(encoding="utf-8")
    assert 'python_requires=">=3.10,<3.14"' in metadata
    assert "(3, 10) <= sys.version_info[:2] <= (3, 13)" in launcher
