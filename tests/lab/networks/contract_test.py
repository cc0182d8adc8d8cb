import keras
import pytest
import tensorflow as tf
from keras import layers

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.networks import contract

SPEC = tf.TensorSpec((4,), tf.float32)


def _check(network, spec=SPEC):
    contract.check("my.py:build", network, spec, 3)


def _sequential(*last):
    return keras.Sequential([keras.Input((4,)), *last])


class Subclassed(keras.Model):
    def __init__(self, activation=None):
        super().__init__()
        self.dense = layers.Dense(3)
        self.activation = activation

    def call(self, x):  # Without `training`.
        x = self.dense(x)
        return self.activation(x) if self.activation else x


def test_logits_of_any_keras_model():
    for network in (
        _sequential(layers.Dense(3)),
        _sequential(layers.Dense(9, "softmax"), layers.Dense(3)),
        keras.Sequential([layers.Dense(3)]),  # Not built.
        Subclassed(),
    ):
        _check(network)
        assert network.built


def test_several_inputs():
    spec = {"age": SPEC, "text": {"tokens": tf.TensorSpec((5,), tf.int64)}}
    age = keras.Input((4,), name="age")
    tokens = keras.Input((5,), dtype="int64", name="tokens")
    words = layers.GlobalMaxPooling1D()(layers.Embedding(9, 2)(tokens))
    logits = layers.Dense(3)(layers.Concatenate()([age, words]))
    network = keras.Model({"age": age, "text": {"tokens": tokens}}, logits)
    _check(network, spec)
    with pytest.raises(InputError, match=r"rows of {age: float32 \(4,\)}"):
        _check(network, {"age": SPEC})


@pytest.mark.parametrize(
    "network",
    [
        _sequential(layers.Dense(3, "softmax")),
        _sequential(layers.Dense(3), layers.Softmax()),
        _sequential(layers.Dense(3, "sigmoid")),
        Subclassed(tf.nn.softmax),
        Subclassed(tf.sigmoid),
    ],
)
def test_probabilities_are_refused(network):
    with pytest.raises(InputError, match="must return logits; got what soft"):
        _check(network)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (_sequential(layers.Dense(2)), r"\(batch, 3\), .*; got \(None, 2\)"),
        (_sequential(layers.Reshape((2, 2))), r"got \(None, 2, 2\)"),
        (Subclassed(lambda x: {"a": x}), "got several"),
        (Subclassed(lambda x: tf.reduce_sum(x)), r"got \(\)"),
    ],
)
def test_outputs_of_another_form(network, message):
    with pytest.raises(InputError, match=message):
        _check(network)


@pytest.mark.parametrize("network", [print, None, layers.Dense(3)])
def test_what_is_no_model(network):
    with pytest.raises(InputError, match=r"must return a keras\.Model; got"):
        _check(network)


def test_rows_that_it_cannot_take():
    with pytest.raises(InputError, match=r"rows of float32 \(7,\)") as caught:
        _check(_sequential(layers.Dense(3)), tf.TensorSpec((7,), tf.float32))
    assert "\n" not in str(caught.value)


def test_code_that_would_be_saved_is_refused():
    network = keras.Sequential(
        [
            keras.Input((4,)),
            keras.Sequential([keras.layers.Lambda(lambda x: 2 * x)]),
            keras.layers.Dense(3),
        ]
    )
    with pytest.raises(InputError, match=r"got layer lambda\S*, a Lambda"):
        contract.check("n", network, tf.TensorSpec((4,)), 3)


def test_a_function_that_is_found_by_its_name_is_no_code():
    network = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Lambda(keras.ops.relu),
            keras.layers.Dense(3),
        ]
    )
    contract.check("n", network, tf.TensorSpec((4,)), 3)
