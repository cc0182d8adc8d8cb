import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.networks import conv, mlp
from tf_pseudolabel.lab.networks.parts import (
    check_spec,
    initial_weights,
    input_layers,
)

IMAGES = np.array([[[[0], [51]], [[102], [255]]]], np.uint8)


def _network(**options):
    spec = tf.TensorSpec((2, 2, 1), tf.uint8)
    return keras.Sequential(input_layers(spec, **options))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0, 0.2, 0.4, 1]),
        ({"scale": 0.25}, [0, 0.05, 0.1, 0.25]),
        ({"max_value": 51.0}, [0, 1, 2, 5]),
        ({"max_value": 51.0, "scale": 0.5}, [0, 0.5, 1, 2.5]),
    ],
)
def test_what_white_becomes(options, expected):
    found = np.asarray(_network(**options)(IMAGES)).ravel()

    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_dropout_leaves_out_pixels_in_training_only():
    network = _network(dropout=0.25)
    white = np.full((50, 2, 2, 1), 255, np.uint8)

    trained = np.asarray(network(white, training=True))

    np.testing.assert_array_equal(network(white), 1)
    np.testing.assert_allclose(np.unique(trained), [0, 1 / 0.75], rtol=1e-6)
    assert (trained == 0).mean() == pytest.approx(0.25, abs=0.1)


def test_no_layer_without_dropout():
    assert len(_network().layers) == 1


@pytest.mark.parametrize("network", [mlp, conv])
def test_initial_weights_of_every_layer(network):
    keras.utils.set_random_seed(0)
    wide = network.build(
        tf.TensorSpec((28, 28, 1), tf.uint8),
        10,
        hidden_units=400,
        initial_std=0.3,
    )
    kernels = [w for w in wide.get_weights() if w.ndim > 1]

    for kernel in kernels:
        assert kernel.std() == pytest.approx(0.3, rel=0.1)
    # Layers of one shape would else begin alike.
    assert initial_weights(0.3) is not initial_weights(0.3)


def test_keras_own_initial_weights_are_the_default():
    assert initial_weights() == "glorot_uniform"


IMAGE = tf.TensorSpec((8, 8, 1), tf.uint8)
ROW = tf.TensorSpec((5,), tf.float32)
TEXT = tf.TensorSpec((5,), tf.int64)


@pytest.mark.parametrize(
    ("spec", "kind"), [(IMAGE, "images"), (ROW, "numbers"), (TEXT, "tokens")]
)
def test_rows_of_each_kind(spec, kind):
    check_spec("net", spec, kind)
    for other in {"images", "numbers", "tokens"} - {kind}:
        with pytest.raises(InputError, match=r"network=net reads .*; got "):
            check_spec("net", spec, other)


def test_several_inputs_are_for_ones_own_networks():
    with pytest.raises(InputError, match="got several inputs: age, text"):
        check_spec("net", {"age": ROW, "text": TEXT}, "numbers")
