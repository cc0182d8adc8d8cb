import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.lab.data.kinds import Encoding, Kind
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving import about, exporting, saved_model
from tf_pseudolabel.lab.serving.formats import FORMATS, Trained

NAMES = ('a, "b"\t\n', "<b>&$ü猫", "[UNK]")
FILES = [name for name, row in FORMATS.items() if row.suffix]
# Keras 3.12 has no LiteRT, and asks for an earlier OpenVINO.
OLD_KERAS = keras.__version__.startswith("3.12.")
of_later_keras = pytest.mark.skipif(OLD_KERAS, reason="of later Keras")
NUMBERS = [
    pytest.param(
        name,
        marks=of_later_keras if name in ("litert", "openvino") else (),
    )
    for name, row in FORMATS.items()
    if not row.strings
]


def _trained(path, classifier, encode=None, names=NAMES):
    """What a run with that classifier would export."""
    model = tpl.serving.with_labels(classifier, names, encode)
    saved_model.write(
        classifier,
        Encoding(None, encode),
        Kind(),
        names,
        "softmax",
        path / "saved_model",
    )
    return Trained(
        model, path / "saved_model", about.read(path / "saved_model")
    )


@pytest.fixture
def images(tmp_path):
    keras.utils.set_random_seed(1)
    return _trained(
        tmp_path,
        keras.Sequential(
            [
                keras.Input((6, 5, 1), dtype="uint8"),
                keras.layers.Rescaling(1 / 255),
                keras.layers.Conv2D(4, 3, activation="relu"),
                keras.layers.BatchNormalization(),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(3),
            ]
        ),
    )


def _numbers(tmp_path):
    """Columns whose names no signature admits, one of them normalized."""
    keras.utils.set_random_seed(1)
    normalize = keras.layers.Normalization()
    normalize.adapt(np.array([[1.0], [2.0], [6.0]]))
    first = keras.Input((1,), name="z 1")
    other = keras.Input((1,), name="ü")
    encode = keras.Model(
        {"z 1": first, "ü": other},
        keras.layers.Concatenate()([normalize(first), other]),
    )
    classifier = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    return _trained(tmp_path, classifier, encode)


def _words(tmp_path):
    word = keras.Input((), dtype="string", name="word")
    lookup = keras.layers.StringLookup(
        vocabulary=["x", "y"], output_mode="one_hot"
    )
    encode = keras.Model({"word": word}, lookup(word))
    classifier = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    return _trained(tmp_path, classifier, encode)


def _place(tmp_path, name):
    return tmp_path / f"out/model{FORMATS[name].suffix or ''}"


def _softmax_of_dense(trained, encoded):
    kernel, bias = trained.model.layers[-2].get_weights()
    scores = np.exp(encoded @ kernel + bias)
    return scores / scores.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", ["saved_model", "keras", *NUMBERS])
def test_images_of_any_number(name, images, tmp_path):
    rows = np.random.default_rng(0).integers(0, 256, (300, 6, 5, 1), np.uint8)
    expected = images.model.predict(rows, verbose=0)["probabilities"]

    found = exporting.export(images, name, _place(tmp_path, name), rows)

    assert found.path.exists() and found.size > 1000
    assert found.difference <= FORMATS[name].tolerance
    assert [*found.latencies] == [1, 256]
    assert all(0 < ms < 1000 for ms in found.latencies.values())
    answer = FORMATS[name].open(str(found.path), ["rows"])
    for count in (2, 7):
        np.testing.assert_allclose(
            answer([rows[:count]]),
            expected[:count],
            atol=FORMATS[name].tolerance,
        )


@pytest.mark.parametrize("name", ["saved_model", "keras", *NUMBERS])
def test_columns_are_inputs_by_name(name, tmp_path):
    trained = _numbers(tmp_path)
    rows = {
        "z 1": np.float32([[1], [4], [9]]),
        "ü": np.float32([[0.5], [0.1], [-2]]),
    }
    mean, std = 3.0, np.sqrt(14 / 3)
    encoded = np.concatenate([(rows["z 1"] - mean) / std, rows["ü"]], axis=1)
    expected = _softmax_of_dense(trained, encoded)

    found = exporting.export(trained, name, _place(tmp_path, name), rows)

    answer = FORMATS[name].open(str(found.path), ["z_1", "column__"])
    np.testing.assert_allclose(answer([*rows.values()]), expected, rtol=1e-5)


@pytest.mark.parametrize("name", NUMBERS)
def test_names_of_classes_lie_beside_numbers(name, images, tmp_path):
    rows = exporting.random_rows(images, 3)
    found = exporting.export(images, name, _place(tmp_path, name), rows)

    assert found.about == tmp_path / "out" / "model.json"
    said = json.loads(found.about.read_text(encoding="utf-8"))
    assert said == {
        "class_names": [*NAMES],
        "kind": "rows",
        "columns": [],
        "resize": None,
    }


@pytest.mark.parametrize("name", ["saved_model", "keras"])
def test_strings_are_held(name, tmp_path):
    trained = _words(tmp_path)
    rows = {"word": np.array([b"y", b"new", b"x"], object)}

    found = exporting.export(trained, name, _place(tmp_path, name), rows)

    assert found.about is None
    answer = FORMATS[name].open(str(found.path), ["word"])
    one_hot = np.float32([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(
        answer([rows["word"]]), _softmax_of_dense(trained, one_hot), rtol=1e-5
    )


def test_names_of_classes_are_in_a_keras_file(images, tmp_path):
    rows = exporting.random_rows(images, 20)
    found = exporting.export(images, "keras", tmp_path / "m.keras", rows)
    answer = keras.saving.load_model(found.path)(rows)
    best = answer["probabilities"].numpy().argmax(axis=1)
    assert [x.decode() for x in answer["label"].numpy()] == [
        NAMES[i] for i in best
    ]


@pytest.mark.parametrize("name", NUMBERS)
def test_strings_cannot_be_inputs_of_numbers(name, tmp_path):
    trained = _words(tmp_path)
    place = _place(tmp_path, name)
    with pytest.raises(InputError, match=r"got strings as inputs: word\. Use"):
        exporting.export(trained, name, place, {"word": np.array(["x"])})
    assert not place.parent.exists()


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", ["saved_model", "keras", *NUMBERS])
def test_half_precision_gives_float32(name, precision, tmp_path):
    keras.utils.set_random_seed(1)
    dense = keras.layers.Dense
    classifier = keras.Sequential(
        [
            keras.Input((4,)),
            dense(8, activation="relu", dtype=precision),
            dense(3, dtype="float32"),
        ]
    )
    trained = _trained(tmp_path, classifier)
    rows = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    (first, bias), (last, _) = (
        layer.get_weights() for layer in classifier.layers
    )
    scores = np.exp(np.maximum(rows @ first + bias, 0) @ last)
    expected = scores / scores.sum(axis=1, keepdims=True)

    found = exporting.export(trained, name, _place(tmp_path, name), rows)

    given = FORMATS[name].open(str(found.path), ["rows"])([rows])
    assert given.dtype == np.float32
    # Formats of numbers compute in float32, too.
    tolerance = 0.02 if FORMATS[name].strings else 1e-6
    np.testing.assert_allclose(given, expected, atol=tolerance)


def test_versions_are_counted(images, tmp_path):
    rows = exporting.random_rows(images, 3)
    places = [
        exporting.export(images, "saved_model", tmp_path / "served", rows, v)
        for v in (None, 7, None)
    ]
    assert [found.path.name for found in places] == ["1", "7", "8"]
    assert sorted(os.listdir(tmp_path / "served")) == ["1", "7", "8"]
    with pytest.raises(InputError, match=r"got 7, .* there: 1, 7, 8\."):
        exporting.export(images, "saved_model", tmp_path / "served", rows, 7)


def test_a_version_beside_other_things(images, tmp_path):
    (tmp_path / "served" / "notes").mkdir(parents=True)
    rows = exporting.random_rows(images, 3)
    found = exporting.export(images, "saved_model", tmp_path / "served", rows)
    assert found.path == tmp_path / "served" / "1"
    assert about.read(found.path).class_names == NAMES


@of_later_keras
def test_a_file_is_replaced_and_nothing_else_stays(images, tmp_path):
    rows = exporting.random_rows(images, 3)
    place = tmp_path / "out" / "model.xml"
    place.parent.mkdir()
    place.write_text("old")
    exporting.export(images, "openvino", place, rows)
    assert sorted(os.listdir(place.parent)) == [
        *("model.bin", "model.json", "model.xml")
    ]
    assert place.read_text() != "old"


@pytest.mark.parametrize("name", FILES)
def test_a_file_ends_as_its_format_does(name, tmp_path):
    suffix = FORMATS[name].suffix
    with pytest.raises(InputError, match=rf"ends in \{suffix}; got .*m\.pb"):
        exporting.check(name, tmp_path / "m.pb")


def test_a_file_is_no_place_for_versions(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"a directory, .* got the file"):
        exporting.check("saved_model", tmp_path / "file")


def test_where_nothing_can_be_written(images, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"could not be written: .*file"):
        exporting.export(
            images,
            "keras",
            tmp_path / "file" / "m.keras",
            exporting.random_rows(images, 3),
        )


def test_what_is_not_the_classifier_is_not_written(images, tmp_path):
    other = images.model.layers[-2].layers[-1]
    other.set_weights([w + np.arange(3.0) for w in other.get_weights()])
    rows = exporting.random_rows(images, 3)
    with pytest.raises(InputError, match=r"to 1e-06; got a difference of 0\."):
        exporting.export(images, "saved_model", tmp_path / "served", rows)
    assert not any((tmp_path / "served").iterdir())


class _Erf(keras.layers.Layer):
    def call(self, x):
        return tf.math.ndtri(tf.sigmoid(x))


@pytest.mark.parametrize("name", NUMBERS)
def test_operations_that_a_format_has_not(name, tmp_path):
    classifier = keras.Sequential(
        [keras.Input((4,)), _Erf(), keras.layers.Dense(3)]
    )
    trained = _trained(tmp_path, classifier)
    rows = exporting.random_rows(trained, 3)
    with pytest.raises(InputError, match=r"cannot .* this .*\. Use") as no:
        exporting.export(trained, name, _place(tmp_path, name), rows)
    assert len(str(no.value).splitlines()) == 1
    assert not any(_place(tmp_path, name).parent.iterdir())


@pytest.mark.skipif(not OLD_KERAS, reason="of Keras 3.12")
@pytest.mark.parametrize("name", ["litert", "openvino"])
def test_a_format_that_this_keras_has_not(name, images, tmp_path):
    rows = exporting.random_rows(images, 3)
    with pytest.raises(InputError, match=rf"^Keras 3\.12.*={name}: ") as no:
        exporting.export(images, name, _place(tmp_path, name), rows)
    assert len(str(no.value).splitlines()) == 1


READERS = {
    "onnx": """
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
(found,) = session.run(["probabilities"], {"rows": rows})
""",
    "litert": """
from ai_edge_litert.interpreter import Interpreter
runner = Interpreter(sys.argv[1]).get_signature_runner()
found = runner(rows=rows)["probabilities"]
""",
    "openvino": """
import openvino
model = openvino.Core().compile_model(sys.argv[1])
found = model({"rows": rows})["probabilities"]
""",
    "saved_model": """
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
found = model.signatures["serving_default"](rows=tf.constant(rows))
found = found["probabilities"].numpy()
""",
}


@pytest.mark.parametrize("name", ["saved_model", *NUMBERS])
def test_the_reader_alone_reads_it(name, images, tmp_path):
    rows = np.full((2, 6, 5, 1), 9, np.uint8)
    found = exporting.export(images, name, _place(tmp_path, name), rows)
    others = {"tensorflow", "keras", "tf_pseudolabel"}
    if name == "saved_model":
        others = {"tf_pseudolabel"}
    program = (
        "import sys, json, numpy as np\n"
        "rows = np.full((2, 6, 5, 1), 9, np.uint8)\n"
        f"{READERS[name]}"
        f"assert not {others} & sys.modules.keys()\n"
        "print(json.dumps(found.tolist()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, found.path],
        capture_output=True,
        text=True,
        check=True,
    )
    np.testing.assert_allclose(
        json.loads(done.stdout.splitlines()[-1]),
        images.model.predict(rows, verbose=0)["probabilities"],
        atol=FORMATS[name].tolerance,
    )


def test_random_rows_are_such_as_a_model_takes(images, tmp_path):
    rows = exporting.random_rows(images, 50)
    assert rows.dtype == np.uint8 and rows.shape == (50, 6, 5, 1)
    assert rows.max() > 200
    (tmp_path / "other").mkdir()
    strings = exporting.random_rows(_words(tmp_path / "other"), 2)["word"]
    assert strings.shape == (2,) and all(len(text) == 1 for text in strings)
