import json

import keras
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.data import table, text
from tf_pseudolabel.lab.data.kinds import Encoding, Images, Kind
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving import about, saved_model
from tf_pseudolabel.lab.serving.about import About, Column


def _written(path, inputs, kind, names=("p", "q")):
    flat = [
        keras.ops.cast(keras.ops.expand_dims(x, -1), "float32")
        for x in tf.nest.flatten(inputs)
        if x.dtype != "string"
    ]
    encoded = flat[0] if len(flat) == 1 else keras.ops.concatenate(flat)
    model = keras.Model(inputs, encoded)
    classifier = keras.Sequential(
        [keras.Input(encoded.shape[1:]), keras.layers.Dense(2)]
    )
    saved_model.write(
        classifier, Encoding(None, model), kind, names, "softmax", path
    )
    return about.read(path)


def test_columns_are_named_with_their_inputs(tmp_path):
    names = ["z day", "a-number", "b"]
    inputs = {name: keras.Input((), name=name) for name in names}

    found = _written(tmp_path / "m", inputs, table.Table(dates=["z day"]))

    assert found.kind == "rows" and found.class_names == ("p", "q")
    assert {*found.columns} == {
        Column("z day", "z_day", "dates"),
        Column("a-number", "a_number", "numbers"),
        Column("b", "b", "numbers"),
    }
    served = tf.saved_model.load(tmp_path / "m").signatures["serving_default"]
    _, inputs = served.structured_input_signature
    assert {*inputs} == {column.input for column in found.columns}


def test_names_of_any_script_and_sign(tmp_path):
    names = ('a, "b"\t\n', "<b>&$ü猫")
    given = {"x": keras.Input((), name="x")}

    assert _written(tmp_path / "m", given, Kind(), names) == About(
        names, "rows"
    )


def test_a_column_of_texts_is_known():
    kind = text.Texts(column="the text")

    assert kind.columns(tf.TensorSpec((), tf.string)) == {"the text": "texts"}
    assert text.Texts().columns(tf.TensorSpec((), tf.string)) == {}


def test_categories_are_strings():
    spec = {"a": tf.TensorSpec((), tf.string), "b": tf.TensorSpec(())}

    assert table.Table().columns(spec) == {"a": "categories", "b": "numbers"}


def test_a_model_of_others_says_nothing(tmp_path):
    assert about.read(tmp_path) is None


@pytest.mark.parametrize("content", ["{", "[]", '{"columns": [{}]}'])
def test_a_damaged_file_is_one_line(tmp_path, content):
    (tmp_path / about.FILE).parent.mkdir()
    (tmp_path / about.FILE).write_text(content)

    with pytest.raises(InputError, match=r"about\.json must be what an export"):
        about.read(tmp_path)


def test_the_file_is_plain_json(tmp_path):
    About(("p", "q"), "images", (), "crop").write(tmp_path)

    assert json.loads((tmp_path / about.FILE).read_text()) == {
        "class_names": ["p", "q"],
        "kind": "images",
        "columns": [],
        "resize": "crop",
    }
    assert about.read(tmp_path).resize == "crop"


def test_images_of_files_say_how_they_are_resized():
    assert Images(shape=(2, 2, 1), mode="pad").resize == "pad"
    assert Images().resize == "stretch"
    assert Images(16.0).resize is None
