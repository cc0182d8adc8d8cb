"""What a run was made with: recipe, versions, commit, environment."""

import dataclasses
import datetime
import importlib.metadata
import os
import pathlib
import platform
import shutil
import subprocess

import tf_pseudolabel

_PACKAGES = ("tensorflow", "keras", "numpy", "tensorflow-datasets")
_VARIABLES = ("TF_ENABLE_ONEDNN_OPTS", "TFDS_DATA_DIR")


def record(recipe):
    """The content of `recipe.json`, which is written when a run begins.

    Args:
        recipe: A `Recipe`.

    Returns:
        A dict of plain values.
    """
    return {
        "recipe": dataclasses.asdict(recipe),
        "started": datetime.datetime.now().isoformat(timespec="seconds"),
        "commit": commit(),
        "versions": {
            "tf_pseudolabel": tf_pseudolabel.__version__,
            "python": platform.python_version(),
            **{name: _version(name) for name in _PACKAGES},
        },
        "environment": {name: os.environ.get(name) for name in _VARIABLES},
    }


def commit():
    """The commit that the package is at.

    Returns:
        A string, with "-dirty" behind it if files of the package have changed
        since (results and documents do not count); "" if the package does not
        lie in a repository of its own, or there is no git.
    """
    package = _package()
    # An installed package may lie in the repository of whoever uses it.
    if shutil.which("git") is None or not (package.parent / ".git").exists():
        return ""
    head = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", ".")
    return f"{head}-dirty" if changed else head


def _package():
    """Where the whole package lies, however deep this module does."""
    return pathlib.Path(tf_pseudolabel.__file__).parent


def _git(*arguments):
    found = subprocess.run(
        ["git", *arguments],
        cwd=_package(),
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
