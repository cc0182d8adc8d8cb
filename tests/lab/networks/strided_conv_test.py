import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.networks import strided_conv


def test_it_halves_the_image_twice():
    model = strided_conv.build(tf.TensorSpec((28, 28, 1), tf.uint8), 10)

    shapes = [layer.output.shape[1:] for layer in model.layers]
    assert shapes[1:4] == [(14, 14, 32), (7, 7, 64), (7, 7, 64)]
    assert model.count_params() == (
        (25 + 1) * 32 + (9 * 32 + 1) * 64 + (9 * 64 + 1) * 64 + (3136 + 1) * 10
    )
    white = np.full((1, 28, 28, 1), 255, np.uint8)
    np.testing.assert_allclose(model.layers[0](white), np.ones(white.shape))


def test_hidden_units_are_kernels():
    model = strided_conv.build(
        tf.TensorSpec((32, 32, 3), tf.uint8), 10, hidden_units=128
    )

    shapes = [layer.output.shape[1:] for layer in model.layers]
    assert shapes[1:4] == [(16, 16, 64), (8, 8, 128), (8, 8, 128)]
    thinnest = strided_conv.build(
        tf.TensorSpec((8, 8, 1), tf.uint8), 2, hidden_units=1
    )
    assert thinnest.layers[1].output.shape[-1] == 1


def test_other_rows_are_refused():
    with pytest.raises(InputError, match="network=strided_conv reads images"):
        strided_conv.build(tf.TensorSpec((9,)), 3)
