import subprocess
import sys

import pytest

from tf_pseudolabel.lab.data import folders, sources, tfds_images
from tf_pseudolabel.lab.errors import InputError

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
        tfds_images, "load", lambda name, **arguments: (name, arguments)
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


def test_sizes_are_positive():
    with pytest.raises(InputError, match=r"got \(0, 8\)"):
        sources.load("folders", labeled_dir="some/dir", image_size=(0, 8))


def test_every_named_source_is_described():
    assert {"digits", "folders"} < set(sources.SOURCES)
    assert all(sources.SOURCES.values())


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
