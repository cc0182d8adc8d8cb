import importlib.util

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.lab.cli import export
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving import formats
from tf_pseudolabel.lab.serving.about import About
from tf_pseudolabel.lab.serving.formats import FORMATS, Trained

NAMES = ("p", "q")


def _trained():
    """A classifier in half precision, whose inputs have unusual names."""
    policy = "mixed_bfloat16"
    inputs = {
        "z": keras.Input((2,), name="z"),
        "ü": keras.Input((2,), name="ü"),
    }
    both = keras.layers.Concatenate(dtype=policy)([*inputs.values()])
    hidden = keras.layers.Dense(4, activation="relu", dtype=policy)(both)
    scores = keras.layers.Dense(2, dtype="float32")(hidden)
    classifier = keras.Model(inputs, scores)
    model = tpl.serving.with_labels(classifier, NAMES)
    return Trained(model, None, About(NAMES, "rows"))


def test_numbers_are_computed_in_float32_and_named_in_order():
    trained = _trained()
    kernel, bias, last, _ = trained.model.get_weights()
    model, (signature,) = formats.of_numbers(trained)

    # TensorFlow flattens in this order, and OpenVINO's names follow it.
    assert [*signature] == [*model.input] == ["column__", "z"]
    assert {spec.name for spec in signature.values()} == {"column__", "z"}
    z, other = np.float32([[1.01, 2.02]]), np.float32([[3.03, -4.04]])
    found = model({"z": z, "column__": other})
    assert [*found] == ["probabilities"]
    rows = np.concatenate([z, other], axis=1)
    scores = np.exp(np.maximum(rows @ kernel + bias, 0) @ last)
    np.testing.assert_allclose(
        found["probabilities"], scores / scores.sum(), rtol=1e-6
    )


def test_a_single_input_is_named_by_its_kind():
    classifier = keras.Sequential(
        [keras.Input((3,), dtype="uint8"), keras.layers.Dense(2)]
    )
    model = tpl.serving.with_labels(classifier, NAMES)
    spec = Trained(model, None, About(NAMES, "images")).specs()
    assert spec == tf.TensorSpec((None, 3), tf.uint8, name="images")


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    FORMATS["keras"].check_packages()
    with pytest.raises(
        InputError, match=r"missing: tf2onnx, onnx, onnxruntime\. Run pip"
    ):
        FORMATS["onnx"].check_packages()


def test_the_help_describes_every_format():
    assert [*export.FORMATS] == [*FORMATS]
