"""Pretraining the first layer as a denoising auto-encoder (Lee 2013, 2.2)."""

import keras
import tensorflow as tf
from keras import layers

from tf_pseudolabel.lab.data import batches
from tf_pseudolabel.losses import SummedBinaryCrossentropy

# Standard deviation of the kernel before it learns.
INITIAL_STD = 0.01


class DenoisingAutoencoder(keras.Model):
    """Restores pixels from what noise has left of them.

    `h = s(W x~ + b)`, `x^ = s(W' h~ + a)` with sigmoid units s; each input of
    `x~` and each hidden unit of `h~` is set to 0 with probability `noise`. The
    loss is the cross-entropy of `x` and `x^`, summed over the pixels (Vincent
    et al., "Extracting and Composing Robust Features with Denoising
    Autoencoders", ICML 2008; masked hidden units: Lee 2013, equations 6 to 8).

    Args:
        encoder: A built `keras.layers.Dense`: W and b. Its activation does not
            count.
        noise: Share of inputs and of hidden units set to 0, in `[0, 1)`.
            Defaults to 0.5.
        **kwargs: As for every `keras.Model`.
    """

    def __init__(self, encoder, noise=0.5, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        # Dropout, which multiplies what it leaves by 1 / (1 - rate).
        self.mask = layers.Dropout(noise)
        self.kept = 1.0 - noise
        self.bias = self.add_weight(
            name="bias",
            shape=(encoder.kernel.shape[0],),
            initializer="zeros",
        )

    def call(self, x, training=None):
        """Restores pixels.

        Args:
            x: Float tensor `(batch, pixels)`, as the encoder gets them.
            training: Whether there is noise.

        Returns:
            Float tensor like `x`: logits of the pixels.
        """
        hidden = tf.sigmoid(
            tf.matmul(self._masked(x, training), self.encoder.kernel)
            + self.encoder.bias
        )
        hidden = self._masked(hidden, training)
        logits = tf.matmul(hidden, self.encoder.kernel, transpose_b=True)
        return logits + self.bias

    def _masked(self, x, training):
        masked = self.mask(x, training=training)
        return self.kept * masked if training else masked


def pretrain(classifier, images, epochs, batch_size, learning_rate, white=1.0):
    """Trains the first dense layer of a network on images without labels.

    The auto-encoder sees pixels up to 1 and begins with small weights, however
    the classifier is scaled: it learns better so. What it has learned is scaled
    to the classifier: the kernel has the standard deviation that it had before.

    Args:
        classifier: A `keras.Sequential` that begins with layers that make
            pixels of raw images, then a `keras.layers.Dense`, which is changed.
        images: Raw images `(n, height, width, channels)`.
        epochs: Int: passes over the images.
        batch_size: Int: images per update.
        learning_rate: Float: that of Adam, for the mean over images of the loss
            summed over pixels.
        white: What white is to the first dense layer. Defaults to 1.

    Returns:
        List of floats: the loss of every epoch.
    """
    dense = [isinstance(layer, layers.Dense) for layer in classifier.layers]
    first = dense.index(True)
    before = [
        layer
        for layer in classifier.layers[:first]
        if not isinstance(layer, layers.Dropout)
    ]
    pixels = keras.Sequential([classifier.inputs[0], *before])
    encoder = classifier.layers[first]
    deviation = tf.math.reduce_std(encoder.kernel)
    _scale(encoder, INITIAL_STD)
    autoencoder = DenoisingAutoencoder(encoder)
    autoencoder.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=SummedBinaryCrossentropy(from_logits=True),
    )

    def input_and_target(batch):
        values = pixels(batch) / white
        return values, values

    stream = (
        tf.data.Dataset.from_tensor_slices(images)
        .shuffle(len(images), seed=0)
        .batch(batch_size)
        .map(input_and_target)
        .prefetch(2)
    )
    history = autoencoder.fit(
        batches.untuned(stream), epochs=epochs, verbose=0, shuffle=False
    )
    _scale(encoder, deviation)
    # The classifier's inputs are `white` times those of the auto-encoder.
    encoder.bias.assign(white * encoder.bias)
    return history.history["loss"]


def _scale(dense, deviation):
    """Multiplies kernel and bias: the kernel's standard deviation is given."""
    factor = tf.math.divide_no_nan(deviation, tf.math.reduce_std(dense.kernel))
    for weight in dense.weights:
        weight.assign(factor * weight)
