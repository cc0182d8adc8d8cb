import pickle
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.lab.data.kinds import Encoding, Kind
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving import saved_model
from tf_pseudolabel.lab.serving.served import Served

NAMES = ("a, <b>\n", "$ü")


def _classifier(seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


def _write(path, seed=0):
    classifier = _classifier(seed)
    encoding = Encoding(tf.TensorSpec((3,)))
    saved_model.write(classifier, encoding, Kind(), NAMES, "softmax", path)
    return classifier


def test_it_answers_with_names(tmp_path):
    classifier = _write(tmp_path / "run" / "saved_model")
    model = pickle.loads(pickle.dumps(Served(tmp_path / "run")))
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    (name,) = model.inputs

    answer = pickle.loads(pickle.dumps(model)).answer({name: x})

    expected = np.array(keras.ops.softmax(classifier(x)))
    np.testing.assert_allclose(answer["probabilities"], expected, rtol=1e-6)
    assert list(answer["label"]) == [NAMES[i] for i in expected.argmax(1)]
    np.testing.assert_array_equal(answer["confidence"], expected.max(1))
    assert model.about.class_names == NAMES


def test_another_model_has_another_fingerprint(tmp_path):
    _write(tmp_path / "a", 0)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / "fingerprint.pb").write_bytes(b"another number")
    _write(tmp_path / "c", 1)
    first, same, other = (Served(tmp_path / x).fingerprint for x in "abc")

    assert first == same != other


def test_models_of_the_library_and_the_last_version(tmp_path):
    for version in ("1", "9", "10"):
        model = tpl.serving.with_labels(_classifier(), ["p", version])
        model.export(tmp_path / version, verbose=False)

    model = Served(tmp_path)

    assert model.path.name == "10" and model.about is None
    (name,) = model.inputs
    assert len(model.answer({name: np.zeros((1, 3))})["label"]) == 1


def test_what_is_no_model_is_one_line(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.json").write_text("{}")
    _classifier().export(tmp_path / "bare", verbose=False)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "saved_model.pb").write_bytes(b"\xff\xff")

    for name, message in [
        ("gone", "there is none"),
        ("run", "the run is not finished"),
    ]:
        with pytest.raises(InputError, match=message):
            Served(tmp_path / name)
    with pytest.raises(InputError, match="must give probabilities, label, con"):
        _ = Served(tmp_path / "bare").inputs
    with pytest.raises(InputError, match="must hold a SavedModel; got"):
        _ = Served(tmp_path / "broken").inputs
