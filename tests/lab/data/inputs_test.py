import keras
import numpy as np
import tensorflow as tf

from tf_pseudolabel.lab.data import inputs


def test_held_rows_are_read_by_number_in_any_structure():
    arrays = {
        "a": np.arange(4.0),
        "b": (np.array([["w"], ["x"], ["y"], [""]]),),
    }
    held = inputs.Held(arrays)

    found = inputs.read(held, np.array([3, 0, 3]))

    assert len(held) == 4
    assert held.spec["a"] == tf.TensorSpec((), tf.float64)
    assert held.spec["b"] == (tf.TensorSpec((1,), tf.string),)
    assert found["a"].tolist() == [3, 0, 3]
    assert found["b"][0].tolist() == [[b""], [b"w"], [b""]]


def test_rows_read_in_parts_are_the_rows():
    held = inputs.Held(np.arange(10))
    rows = np.arange(10)[::-1]
    assert inputs.read(held, rows, at_once=3).tolist() == rows.tolist()


def test_no_rows_have_the_shape_of_rows():
    found = inputs.read(inputs.Held(np.zeros((2, 3), np.uint8)), np.arange(0))
    assert found.shape == (0, 3)
    assert found.dtype == np.uint8


def test_encoded_rows_are_what_the_model_makes_of_them():
    raw = keras.Input((2,))
    doubled = keras.Model(raw, keras.layers.Rescaling(2.0)(raw))
    held = inputs.Held(np.array([[1, 2], [3, 4]], np.float32))

    encoded = inputs.Encoded(held, doubled)

    assert len(encoded) == 2
    assert encoded.spec == tf.TensorSpec((2,), tf.float32)
    assert inputs.read(encoded, np.array([1])).tolist() == [[6, 8]]
    stream = tf.data.Dataset.range(2).batch(2).map(encoded.batch)
    assert next(iter(stream)).numpy().tolist() == [[2, 4], [6, 8]]
