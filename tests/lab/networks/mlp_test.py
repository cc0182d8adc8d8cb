import keras
import numpy as np
import tensorflow as tf

from tf_pseudolabel.lab import networks
from tf_pseudolabel.lab.networks import mlp


def test_lees_parameter_count():
    model = networks.build(
        "mlp", tf.TensorSpec((28, 28, 1), tf.uint8), 10, hidden_units=5000
    )
    assert model.count_params() == (784 * 5000 + 5000) + (5000 * 10 + 10)


def test_output_by_hand():
    model = mlp.build(
        tf.TensorSpec((2, 2, 1), tf.uint8), 3, hidden_units=4, max_value=10.0
    )
    w1, b1, w2, b2 = model.get_weights()
    generator = np.random.default_rng(0)
    b1 = generator.normal(size=b1.shape).astype(np.float32)
    b2 = generator.normal(size=b2.shape).astype(np.float32)
    model.set_weights([w1, b1, w2, b2])
    images = generator.integers(0, 11, (5, 2, 2, 1)).astype(np.uint8)
    hidden = np.maximum(images.reshape(5, 4) / 10.0 @ w1 + b1, 0)
    np.testing.assert_allclose(model(images), hidden @ w2 + b2, rtol=1e-5)


def test_dropout_in_training_only():
    keras.utils.set_random_seed(0)
    model = mlp.build(tf.TensorSpec((4, 4, 1), tf.uint8), 3, hidden_units=64)
    images = np.full((2, 4, 4, 1), 200, np.uint8)
    np.testing.assert_array_equal(model(images), model(images))
    trained = [np.asarray(model(images, training=True)) for _ in range(2)]
    assert np.abs(trained[0] - trained[1]).max() > 1e-3
