import doctest
import importlib
import pkgutil

import pytest

import tf_pseudolabel

# Programs define flags; their docstrings hold no examples.
MODULES = [
    module.name
    for module in pkgutil.walk_packages(
        tf_pseudolabel.__path__, "tf_pseudolabel."
    )
    if not module.name.startswith("tf_pseudolabel.lab.cli")
]


@pytest.mark.parametrize("name", ["tf_pseudolabel", *MODULES])
def test_examples_in_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testmod(
        importlib.import_module(name),
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
    )
    assert failed == 0, "see the report on standard output"
