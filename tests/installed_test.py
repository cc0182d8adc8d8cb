import importlib.metadata
import os
import pathlib

import pytest

import tf_pseudolabel

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.mark.skipif(
    "TF_PSEUDOLABEL_INSTALLED" not in os.environ,
    reason="bin/test tests an installed wheel; this run tests the tree",
)
def test_the_package_under_test_is_the_installed_one():
    package = pathlib.Path(tf_pseudolabel.__file__).resolve()
    assert not package.is_relative_to(ROOT)
    # The wheel holds every module of the tree, and no other.
    installed, tree = (
        {path.relative_to(top) for path in top.rglob("*.py")}
        for top in (package.parent, ROOT / "tf_pseudolabel")
    )
    assert installed == tree
    version = importlib.metadata.version("tf_pseudolabel")
    assert version == tf_pseudolabel.__version__
