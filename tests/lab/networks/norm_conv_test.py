import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.networks import norm_conv


def test_it_halves_the_image_three_times():
    model = norm_conv.build(tf.TensorSpec((32, 32, 3), tf.uint8), 10)

    shapes = [
        layer.output.shape[1:]
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    assert shapes == [(16, 16, 32), (8, 8, 64), (8, 8, 128), (4, 4, 128)]
    convolutions = 25 * 3 * 32 + 9 * (32 * 64 + 64 * 128 + 128 * 128)
    normalized = 4 * (32 + 64 + 128 + 128)
    assert model.count_params() == convolutions + normalized + 129 * 10
    white = np.full((1, 32, 32, 3), 255, np.uint8)
    np.testing.assert_allclose(model.layers[0](white), np.ones(white.shape))


def test_hidden_units_are_kernels():
    thin = norm_conv.build(tf.TensorSpec((8, 8, 1), tf.uint8), 2, 8)
    kernels = [w.shape[-1] for w in thin.weights if w.path.endswith("kernel")]
    assert kernels == [2, 4, 8, 8, 2]


def test_other_rows_are_refused():
    with pytest.raises(InputError, match="network=norm_conv reads images"):
        norm_conv.build(tf.TensorSpec((9,)), 3)
