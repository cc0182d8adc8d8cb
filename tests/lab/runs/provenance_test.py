import dataclasses
import pathlib
import subprocess

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel
from tf_pseudolabel.lab.recipes import RECIPES
from tf_pseudolabel.lab.runs import provenance


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A directory in the place of the package."""
    path = tmp_path / "project" / "package"
    path.mkdir(parents=True)
    (path / "__init__.py").write_text("")
    init = str(path / "__init__.py")
    monkeypatch.setattr(tf_pseudolabel, "__file__", init)
    return path


def _committed(directory):
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for arguments in (
        ["init", "--quiet"],
        ["add", "."],
        ["commit", "--quiet", "-m", "first"],
    ):
        subprocess.run(["git", *who, *arguments], cwd=directory, check=True)
    return subprocess.check_output(
        ["git", "rev-parse", "HEAD"], cwd=directory, text=True
    ).strip()


def test_what_a_run_is_made_with(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    recipe = dataclasses.replace(RECIPES["digits_conv"], seed=7)

    record = provenance.record(recipe)

    assert record["recipe"] == dataclasses.asdict(recipe)
    assert record["versions"]["tensorflow"] == tf.__version__
    assert record["versions"]["keras"] == keras.__version__
    assert record["versions"]["numpy"] == np.__version__
    assert record["environment"]["TF_ENABLE_ONEDNN_OPTS"] == "0"
    assert record["commit"] == provenance.commit()


def test_a_changed_package_is_dirty_and_changed_results_are_not(package):
    results = package.parent / "results.csv"
    results.write_text("")
    head = _committed(package.parent)

    results.write_text("more")
    clean = provenance.commit()
    (package / "__init__.py").write_text("more")

    assert len(clean) >= 7
    assert head.startswith(clean)
    assert provenance.commit() == f"{clean}-dirty"


def test_this_very_package_knows_its_commit(monkeypatch):
    """Of whatever depth the module is."""
    root = pathlib.Path(__file__).resolve().parents[3]
    init = root / "tf_pseudolabel" / "__init__.py"
    monkeypatch.setattr(tf_pseudolabel, "__file__", str(init))
    if not (root / ".git").exists():
        pytest.skip("these tests are not in a repository")
    head = subprocess.check_output(
        ["git", "rev-parse", "HEAD"], cwd=root, text=True
    )

    found = provenance.commit().removesuffix("-dirty")
    assert found and head.startswith(found)


def test_an_installed_package_does_not_take_its_users_commit(package):
    _committed(package.parents[1])

    assert provenance.commit() == ""


def test_without_git_there_is_no_commit(package, monkeypatch):
    _committed(package.parent)
    monkeypatch.setenv("PATH", "")

    assert provenance.commit() == ""


def test_a_package_that_is_not_installed_has_no_version():
    assert provenance._version("no-such-package") is None
