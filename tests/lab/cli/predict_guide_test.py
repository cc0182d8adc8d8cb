"""The guide on prediction, run as it stands there on a model of images."""

import pathlib
import re
import shlex

import keras
import numpy as np
import pandas as pd
import PIL.Image
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.cli import predict
from tf_pseudolabel.lab.data.kinds import Encoding, Images
from tf_pseudolabel.lab.serving import saved_model

GUIDE = pathlib.Path(__file__).resolve().parents[3] / "docs/guides/predict.md"
TEXT = GUIDE.read_text("utf-8")


@pytest.fixture
def images(tmp_path, monkeypatch):
    """A run, and files to predict."""
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    classifier = keras.Sequential(
        [
            keras.Input((8, 8, 3), dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(3),
        ]
    )
    run = tmp_path / "runs" / "photos"
    run.mkdir(parents=True)
    spec = tf.TensorSpec((8, 8, 3), tf.uint8)
    kind = Images(shape=(8, 8, 3))
    names = ["cat", "dog", "ship"]
    saved_model.write(
        classifier,
        Encoding(spec),
        kind,
        names,
        "softmax",
        run / "saved_model",
    )
    rng = np.random.default_rng(0)
    for name in ("new_photos/a.png", "new_photos/b.png", "more/one.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
        PIL.Image.fromarray(pixels).save(path)
    (tmp_path / "one.jpg").write_bytes(
        (tmp_path / "more" / "one.jpg").read_bytes()
    )
    return tmp_path


def test_its_command_and_its_python(images, status_of):
    (command,) = re.findall(r"^bin/predict .*--output.*$", TEXT, re.MULTILINE)
    assert status_of(predict)(*shlex.split(command)[1:]) == 0

    found = pd.read_csv("predictions.csv")
    assert list(found["id"]) == [
        "new_photos/a.png",
        "new_photos/b.png",
        "more/one.jpg",
    ]
    assert [*found.columns[:3]] == ["id", "label", "confidence"]
    assert [*found.columns[3:]] == [
        f"{name}_{rank}" for rank in (2, 3) for name in ("label", "confidence")
    ]

    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    scope = {}
    exec(code, scope)
    assert scope["answer"]["label"].numpy()[0].decode() == found["label"][2]
    confidence = float(scope["answer"]["confidence"][0])
    assert confidence == pytest.approx(found["confidence"][2], rel=1e-5)
