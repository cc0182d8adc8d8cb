"""The commands of guides on data, as they stand there, up to training."""

import dataclasses
import pathlib
import re
import shlex

import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.cli import train
from tf_pseudolabel.lab.data import overview
from tf_pseudolabel.lab.data.tasks import task_of
from tf_pseudolabel.lab.runs import jobs, training
from tf_pseudolabel.lab.runs.results import load_data

GUIDES = pathlib.Path(__file__).resolve().parents[3] / "docs" / "guides"


def blocks(guide, kind):
    text = (GUIDES / guide).read_text("utf-8")
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


def commands(guide, words="bin/train"):
    """Those that hold some words; each may go on in the next line."""
    return [
        pytest.param(shlex.split(line, comments=True), id=f"{guide}: {line}")
        for block in blocks(guide, "console")
        for line in block.replace("\\\n", "").splitlines()
        if words in line
    ]


def write_records(path, first, count, labeled=True):
    kind = "GZIP" if path.suffix == ".gz" else None
    with tf.io.TFRecordWriter(str(path), kind) as writer:
        for row in range(first, first + count):
            image = np.full((16, 16, 1), row, np.uint8)
            png = tf.io.encode_png(image).numpy()
            of_bytes = tf.train.BytesList(value=[png])
            feature = {"image": tf.train.Feature(bytes_list=of_bytes)}
            if labeled:
                number = tf.train.Int64List(value=[row % 2])
                feature["label"] = tf.train.Feature(int64_list=number)
            features = tf.train.Features(feature=feature)
            example = tf.train.Example(features=features)
            writer.write(example.SerializeToString())


@pytest.fixture
def files(tmp_path, monkeypatch):
    """What the guides speak of."""
    monkeypatch.chdir(tmp_path)
    arrays, splits = "own-arrays.md", "splits.md"
    for code in blocks(arrays, "python"):
        exec(code, {})
    (features,) = blocks(arrays, "json")
    (tmp_path / "features.json").write_text(features)
    write_records(tmp_path / "train-1.tfrecord", 0, 100)
    write_records(tmp_path / "train-2.tfrecord", 100, 20, labeled=False)
    write_records(tmp_path / "more.tfrecord", 120, 20, labeled=False)
    write_records(tmp_path / "test.tfrecord.gz", 140, 20)
    (ids,) = blocks(splits, "json")
    (tmp_path / "ids.json").write_text(ids)
    rows = [
        f"{row % 7},{row * row},{'ill' if row % 3 else 'well'},p{row // 4}"
        for row in range(200)
    ]
    rows += [f"{row % 7},{-row}.5,," for row in range(50)]
    text = "\n".join(["dose,weight,outcome,patient", *rows])
    (tmp_path / "visits.csv").write_text(text)
    for row in range(80):
        folder = f"slices/{'ill' if row % 2 else 'well'}/patient{row // 8}"
        image = np.full((16, 16, 1), row, np.uint8)
        for name in (f"{folder}/{row}.png", f"more/patient{row}/{row}.png"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(tf.io.encode_png(image).numpy())
            image = image + 100
    for row in range(60):
        sort = "cat" if row % 2 else "dog"
        image = np.full((9, 8, 3), 4 * row, np.uint8)
        for number, name in enumerate(
            (
                *(f"pictures/labeled/{sort}/{row}", f"photos/{sort}/{row}"),
                *(f"pictures/unlabeled/a/{row}", f"pictures/test/{sort}/{row}"),
            )
        ):
            path = tmp_path / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            content = tf.io.encode_png(image + np.uint8(number))
            path.write_bytes(content.numpy())
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        *commands("own-arrays.md"),
        *commands("own-images.md"),
        *commands("splits.md"),
        *commands("../../README.md", "--dataset=folders"),
    ],
)
def test_commands_lead_to_a_network(command, files, exit_status):
    recipes = []

    def main(argv):
        assert len(argv) == 1
        recipes.append(train.recipe_from_flags())

    assert command[0] == "bin/train"
    assert exit_status(main, *command[1:]) == 0
    (recipe,) = recipes
    data = load_data(recipe)
    split = jobs.draw_split(recipe, data)
    assert overview.describe(data, split)[-1].endswith(".")
    assert not (split.labeled.labels < 0).any()
    if recipe.num_labeled is None:
        # All labels are used by default: none is left over.
        left = {*data.train.ids} - {*split.test.ids, *split.validation.ids}
        assert left == {*split.labeled.ids}
    network = recipe.network or data.kind.network
    recipe = dataclasses.replace(recipe, network=network)
    training.build_classifier(recipe, task_of(data, split))
