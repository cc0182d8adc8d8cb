import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab import networks
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.networks import conv


def _images(shape, rows=6, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (rows, *shape)).astype(np.uint8)


@pytest.fixture(scope="module")
def published():
    keras.utils.set_random_seed(0)
    return networks.build("conv", tf.TensorSpec((28, 28, 1), tf.uint8), 10)


def test_published_shapes(published):
    shapes = [
        layer.output.shape[1:]
        for layer in published.layers
        if not isinstance(
            layer,
            (
                keras.layers.ReLU,
                keras.layers.Dropout,
                keras.layers.SpatialDropout2D,
            ),
        )
    ]
    assert shapes == [
        (28, 28, 1),
        (24, 24, 20),  # 28 - 5 + 1
        (12, 12, 20),
        (8, 8, 40),  # 12 - 5 + 1
        (4, 4, 40),
        (640,),  # 4 * 4 * 40
        (150,),
        (10,),
    ]


def test_parameter_count(published):
    convolutions = (5 * 5 * 1 * 20 + 20) + (5 * 5 * 20 * 40 + 40)
    dense = (640 * 150 + 150) + (150 * 10 + 10)
    assert published.count_params() == convolutions + dense == 118_220


def test_logits_are_bare_float32(published):
    logits = published(_images((28, 28, 1)))
    assert logits.dtype == "float32"
    assert published.layers[-1].activation is keras.activations.linear
    assert float(np.min(logits)) < 0 < float(np.max(logits))


def test_dropout_in_training_only(published):
    images = _images((28, 28, 1))
    once, again = published(images), published(images)
    np.testing.assert_array_equal(once, again)
    trained = [np.asarray(published(images, training=True)) for _ in range(2)]
    assert np.abs(trained[0] - trained[1]).max() > 1e-3


def test_spatial_dropout_drops_whole_maps(published):
    (spatial,) = [
        layer
        for layer in published.layers
        if isinstance(layer, keras.layers.SpatialDropout2D)
    ]
    dropped = np.asarray(spatial(np.ones((4, 8, 8, 40)), training=True))
    maps = dropped.transpose(0, 3, 1, 2).reshape(160, 64)
    np.testing.assert_array_equal(maps.min(axis=1), maps.max(axis=1))
    assert set(np.unique(maps)) == {0.0, 2.0}


@pytest.mark.parametrize("rate", [0.0, 0.25])
def test_dropout_rate(rate):
    model = conv.build(tf.TensorSpec((8, 8, 1), tf.uint8), 3, dropout=rate)
    rates = [x.rate for x in model.layers if hasattr(x, "rate")]
    assert rates == [rate, rate]


@pytest.mark.parametrize(
    ("size", "flat"),
    [
        (4, 1 * 1 * 40),
        (8, 2 * 2 * 40),
        (15, 3 * 3 * 40),  # padded: 15, 7, 7, 3
        (16, 1 * 1 * 40),  # unpadded: 12, 6, 2, 1
    ],
)
def test_small_images_are_padded(size, flat):
    model = conv.build(
        tf.TensorSpec((size, size, 3), tf.uint8), 7, hidden_units=5
    )
    dense = [x for x in model.layers if isinstance(x, keras.layers.Dense)]
    assert dense[0].kernel.shape == (flat, 5)
    assert model(_images((size, size, 3), rows=2)).shape == (2, 7)


def test_the_narrow_side_counts():
    model = conv.build(tf.TensorSpec((28, 8, 1), tf.uint8), 3)
    assert model.output_shape == (None, 3)


def test_images_too_small_are_refused():
    with pytest.raises(InputError, match=r"at least 4x4.*got 3x9.*image_size"):
        conv.build(tf.TensorSpec((3, 9, 1), tf.uint8), 10)


def test_white_becomes_one():
    model = conv.build(tf.TensorSpec((8, 8, 1), tf.uint8), 3, max_value=16.0)
    white = np.full((1, 8, 8, 1), 16, np.uint8)
    np.testing.assert_allclose(model.layers[0](white), 1.0)


def test_mixed_precision_keeps_float32_logits():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = conv.build(tf.TensorSpec((8, 8, 1), tf.uint8), 3)
    finally:
        keras.config.set_dtype_policy("float32")
    (hidden, logits) = [
        x for x in model.layers if isinstance(x, keras.layers.Dense)
    ]
    assert hidden.compute_dtype == "bfloat16"
    assert logits.compute_dtype == "float32"
    assert model(_images((8, 8, 1))).dtype == "float32"
