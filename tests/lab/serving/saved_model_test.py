import keras
import numpy as np
import tensorflow as tf

from tf_pseudolabel.lab.data.kinds import Encoding, Kind
from tf_pseudolabel.lab.serving import saved_model


class _Files(Kind):
    def decoder(self):
        return lambda files: tf.strings.to_number(files)[:, tf.newaxis]


def _classifier(width):
    return keras.Sequential([keras.Input((width,)), keras.layers.Dense(2)])


def test_columns_are_inputs_of_the_signature(tmp_path):
    size = keras.Input((1,), name="size")
    word = keras.Input((), dtype="string", name="a word")
    other = keras.Input((1,), name="a-word")
    lookup = keras.layers.StringLookup(
        vocabulary=["x", "y"], output_mode="one_hot"
    )
    model = keras.Model(
        {"size": size, "a word": word, "a-word": other},
        keras.layers.Concatenate()([size, lookup(word), other]),
    )
    classifier = _classifier(5)
    encoding = Encoding(tf.TensorSpec((5,)), model)

    saved_model.write(
        classifier, encoding, Kind(), ["p", "q"], "softmax", tmp_path / "m"
    )

    served = tf.saved_model.load(tmp_path / "m")
    signature = served.signatures["serving_default"]
    _, columns = signature.structured_input_signature
    assert {*columns} == {"size", "a_word", "a_word_"}
    rows = {
        "size": [[1.0], [2.0]],
        "a_word": ["y", "new"],
        "a_word_": [[7.0], [8.0]],
    }
    answer = signature(**{k: tf.constant(v) for k, v in rows.items()})
    encoded = np.array([[1, 0, 0, 1, 7], [2, 1, 0, 0, 8]], np.float32)
    np.testing.assert_allclose(
        answer["probabilities"],
        keras.ops.softmax(classifier(encoded)),
        rtol=1e-5,
    )
    assert "raw" not in served.signatures


def test_contents_of_files_are_decoded(tmp_path):
    classifier = _classifier(1)
    encoding = Encoding(tf.TensorSpec((1,)))

    saved_model.write(
        classifier, encoding, _Files(), ["p", "q"], "sigmoid", tmp_path / "m"
    )

    served = tf.saved_model.load(tmp_path / "m")
    answer = served.signatures["raw"](files=tf.constant(["1.5", "-2"]))
    scores = classifier(np.array([[1.5], [-2.0]], np.float32))
    np.testing.assert_allclose(
        answer["probabilities"], keras.ops.sigmoid(scores), rtol=1e-5
    )
    whole = served.signatures["serving_default"](tf.constant([[1.5], [-2.0]]))
    np.testing.assert_array_equal(whole["label"], answer["label"])
