"""The commands and examples of the guide to labelling, as they stand there."""

import csv
import pathlib
import re
import shlex
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import tf_pseudolabel
from tf_pseudolabel.lab.cli import label
from tf_pseudolabel.lab.data.kinds import Encoding, Images
from tf_pseudolabel.lab.serving import saved_model

GUIDE = pathlib.Path(__file__).resolve().parents[3] / "docs/guides/label.md"
PACKAGE = pathlib.Path(tf_pseudolabel.__file__).parents[1]
TEXT = GUIDE.read_text("utf-8")
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
]
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def status(status_of):
    return status_of(label)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the guide speaks of."""
    folder = tmp_path_factory.mktemp("guide")
    classifier = keras.Sequential(
        [
            keras.Input((8, 8, 1), dtype="uint8"),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    encoding = Encoding(tf.TensorSpec((8, 8, 1), tf.uint8))
    kind, names = Images(shape=(8, 8, 1)), ["cat", "dog"]
    path = folder / "runs" / "photos" / "saved_model"
    saved_model.write(classifier, encoding, kind, names, "softmax", path)
    rows = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), np.uint8)
    np.save(folder / "more.npy", rows)
    (folder / "unlabeled").mkdir()
    for number, row in enumerate(rows):
        image = Image.fromarray(row[..., 0])
        image.save(folder / "unlabeled" / f"{number:02}.png")
    with (folder / "review.csv").open("w", newline="") as file:
        written = [("id", "label"), ("unlabeled/03.png", "dog")]
        csv.writer(file).writerows(written)
    return folder


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(
            command,
            id=" ".join(command),
            marks=[pytest.mark.slow] if "--" in command else [],
        )
        for command in COMMANDS
    ],
)
def test_commands(command, folder, status, monkeypatch):
    monkeypatch.chdir(folder)
    # Workers import what is here.
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE))
    assert command[0] == "bin/label"
    assert status(*command[1:]) == 0
    assert [*(folder / "labeled" / "labels").iterdir()]


def test_results_are_read_and_trained_on(folder, status, monkeypatch):
    monkeypatch.chdir(folder)
    given = ("runs/photos", "--input=unlabeled")
    assert status(*given, "--output=labeled") == 0
    records = "--format=tfrecord"
    assert status(*given, "--output=records", records) == 0
    # Any table with the ids that were labeled.
    shutil.copytree("labeled", "people")
    table = pathlib.Path("new.csv")
    table.write_text("id,age\nunlabeled/01.png,7\nunlabeled/07.png,9\n")
    names = {}
    for code in BLOCKS:
        exec(code, names)

    lines = pathlib.Path("labeled.csv").read_text().splitlines()
    assert lines[0] == "id,age,label" and len(lines) == 3
    rows = [len(batch["id"]) for batch in names["rows"]]
    assert rows == [20] == [len(names["labels"])]
