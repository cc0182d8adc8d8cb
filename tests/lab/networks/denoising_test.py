import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.networks import denoising, mlp
from tf_pseudolabel.losses import SummedBinaryCrossentropy

RNG = np.random.default_rng(0)
X = RNG.random((3, 4)).astype("float32")


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _autoencoder(noise=0.5):
    encoder = keras.layers.Dense(2, activation="relu")
    encoder.build((None, 4))
    encoder.set_weights(
        [RNG.normal(size=(4, 2)), RNG.normal(size=2).astype("float32")]
    )
    model = denoising.DenoisingAutoencoder(encoder, noise)
    model.bias.assign(RNG.normal(size=4))
    return model


def test_reconstruction_by_hand():
    """Equations 6 and 7 with tied weights, sigmoid whatever the encoder's."""
    model = _autoencoder()
    kernel, bias = model.encoder.get_weights()

    hidden = _sigmoid(X @ kernel + bias)
    np.testing.assert_allclose(
        model(X), hidden @ kernel.T + model.bias.numpy(), rtol=1e-5
    )


def test_loss_by_hand():
    """Equation 8: cross-entropy summed over pixels, averaged over images."""
    model = _autoencoder()
    restored = _sigmoid(np.asarray(model(X)))
    expected = -np.sum(
        X * np.log(restored) + (1 - X) * np.log(1 - restored), axis=1
    )

    model.compile(loss=SummedBinaryCrossentropy(from_logits=True))
    found = model.evaluate(X, X, verbose=0)

    assert found == pytest.approx(expected.mean(), rel=1e-5)


def test_noise_sets_inputs_and_hidden_units_to_0_and_scales_nothing():
    model = _autoencoder(noise=0.5)
    masks = iter([np.array([[2.0, 0, 2, 0]] * 3), np.array([[0.0, 2]] * 3)])
    # What Dropout does, but known.
    model.mask = lambda x, training: x * tf.constant(next(masks), tf.float32)
    kernel, bias = model.encoder.get_weights()

    hidden = _sigmoid((X * [1, 0, 1, 0]) @ kernel + bias) * [0, 1]
    np.testing.assert_allclose(
        model(X, training=True),
        hidden @ kernel.T + model.bias.numpy(),
        rtol=1e-5,
    )


def test_noise_is_drawn_anew_for_every_image():
    model = _autoencoder()
    same = np.ones((64, 4), "float32")

    assert len(np.unique(model(same, training=True), axis=0)) > 3
    assert len(np.unique(model(same), axis=0)) == 1


def _pretrained(seed=1, epochs=20):
    keras.utils.set_random_seed(seed)
    network = mlp.build(
        tf.TensorSpec((4, 4, 1), tf.uint8), 3, hidden_units=8, input_dropout=0.3
    )
    before = network.get_weights()
    # Two kinds of images, which a hidden unit can tell apart.
    images = np.zeros((64, 4, 4, 1), np.uint8)
    images[::2, :2], images[1::2, 2:] = 255, 255
    losses = denoising.pretrain(
        network, images, epochs, batch_size=16, learning_rate=0.01
    )
    return network, before, losses


def test_only_the_first_layer_learns():
    network, before, losses = _pretrained()
    after = network.get_weights()

    assert losses[-1] < losses[0]
    assert np.abs(after[0] - before[0]).max() > 0.01
    assert np.abs(after[1] - before[1]).max() > 0
    for old, new in zip(before[2:], after[2:], strict=True):
        np.testing.assert_array_equal(old, new)


def test_pretraining_is_a_function_of_the_seed():
    first, again = (_pretrained()[0].get_weights() for _ in range(2))

    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_kernel_keeps_its_standard_deviation():
    network, before, _ = _pretrained()

    assert network.get_weights()[0].std() == pytest.approx(
        before[0].std(), rel=1e-4
    )


def test_hidden_units_get_of_a_scaled_network_what_the_autoencoder_gave_them():
    """`x W + b` differs by one factor, that of the kernel."""

    images = RNG.integers(0, 255, (32, 2, 2, 1), dtype=np.uint8)

    def pretrained(scale):
        keras.utils.set_random_seed(1)
        network = mlp.build(
            tf.TensorSpec((2, 2, 1), tf.uint8),
            3,
            hidden_units=8,
            input_scale=scale,
        )
        denoising.pretrain(network, images, 3, 16, 0.01, white=scale)
        kernel, bias = network.layers[2].get_weights()
        pixels = scale * images.reshape(-1, 4) / 255.0
        return pixels @ kernel + bias

    np.testing.assert_allclose(
        0.25 * pretrained(1.0), pretrained(0.25), rtol=1e-3, atol=1e-5
    )


def test_what_is_restored_is_white_whatever_the_network_sees():
    """Without noise and with weights of 0 the loss is that of the bias."""
    network = mlp.build(
        tf.TensorSpec((2, 2, 1), tf.uint8), 3, hidden_units=8, input_scale=0.25
    )
    network.layers[2].set_weights([np.zeros((4, 8)), np.zeros(8)])
    white = np.full((4, 2, 2, 1), 255, np.uint8)

    losses = denoising.pretrain(network, white, 1, 4, 0.1, white=0.25)

    # Four pixels of 1, restored as 0.5.
    assert losses == pytest.approx([4 * np.log(2)], rel=1e-5)
