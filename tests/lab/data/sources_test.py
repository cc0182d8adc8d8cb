import dataclasses
import importlib
import inspect
import subprocess
import sys

import pytest

from tf_pseudolabel.lab.data import folders, sources, tfds_sets
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.recipes.recipe import Recipe

HEAVY = ("tensorflow", "tensorflow_datasets", "sklearn")


def test_digits_by_name():
    assert len(sources.load("digits").train) == 1297


def test_folders_receives_its_arguments(monkeypatch):
    monkeypatch.setattr(folders, "load", lambda **arguments: arguments)
    arguments = {
        "labeled_dir": "a",
        "unlabeled_dir": "b",
        "test_dir": "c",
        "validation_dir": "d",
        "image_size": (3, 4),
    }
    assert sources.load("folders", **arguments) == arguments


def test_any_other_name_is_a_tfds_set(monkeypatch):
    monkeypatch.setattr(
        tfds_sets, "load", lambda dataset, **arguments: (dataset, arguments)
    )
    loaded = sources.load("cifar10", data_dir="here", image_size=(3, 4))
    assert loaded == ("cifar10", {"data_dir": "here", "image_size": (3, 4)})


@pytest.mark.parametrize("dataset", ["digits", "mnist"])
@pytest.mark.parametrize(
    "flag", ["labeled_dir", "unlabeled_dir", "test_dir", "validation_dir"]
)
def test_folder_flags_are_for_folders_only(dataset, flag):
    with pytest.raises(InputError, match=f'--{flag} .*"{dataset}".*some/dir'):
        sources.load(dataset, **{flag: "some/dir"})


@pytest.mark.parametrize(
    ("dataset", "arguments"),
    [
        ("digits", {"image_size": (16, 16)}),
        ("digits", {"data_dir": "here"}),
        ("folders", {"data_dir": "here", "labeled_dir": "there"}),
    ],
)
def test_arguments_are_never_ignored(dataset, arguments):
    with pytest.raises(InputError, match=rf'does not apply .*"{dataset}"'):
        sources.load(dataset, **arguments)


def test_folders_needs_labels():
    with pytest.raises(InputError, match="needs --labeled_dir"):
        sources.load("folders", unlabeled_dir="some/dir")


def test_every_named_source_is_described():
    assert {"digits", "folders"} <= set(sources.SOURCES)
    assert all(row.help for row in sources.SOURCES.values())


def test_what_a_source_takes_is_what_its_module_takes():
    for row in (*sources.SOURCES.values(), sources.TFDS):
        module = importlib.import_module(
            f"tf_pseudolabel.lab.data.{row.module}"
        )
        taken = inspect.signature(module.load).parameters
        assert sorted(row.fields) == sorted(taken)
        assert set(row.needed) <= set(row.fields)
        fields = {field.name for field in dataclasses.fields(Recipe)}
        assert {*row.fields, *row.defaults} <= fields


def test_those_that_take_a_field_are_known():
    assert sources.takers("labeled_dir")[0] == "folders"
    assert sources.takers("data_dir") == ("mnist",)


def test_nothing_heavy_is_imported_for_help():
    # What the package itself imports on the way here is not judged.
    program = (
        "import sys, tf_pseudolabel.lab.data\n"
        "before = set(sys.modules)\n"
        "from tf_pseudolabel.lab.data import sources\n"
        f"print((set(sys.modules) - before) & set({HEAVY!r}))"
    )
    printed = subprocess.check_output(
        [sys.executable, "-c", program], text=True
    )
    assert printed.strip() == "set()"
