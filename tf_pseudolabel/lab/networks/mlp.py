"""Lee's network: one hidden layer (Lee 2013, section 2.1)."""

import keras
from keras import layers

from tf_pseudolabel.lab.networks.parts import initial_weights, input_layers


def build(
    input_shape,
    num_classes,
    hidden_units=5000,
    dropout=0.5,
    max_value=255.0,
    dtype="uint8",
    input_scale=1.0,
    input_dropout=0.0,
    initial_std=None,
):
    """One ReLU layer with dropout between the pixels and the logits.

    Args:
        input_shape: `(height, width, channels)`.
        num_classes: Int, at least 2.
        hidden_units: Units of the hidden layer. Defaults to 5000.
        dropout: Share of hidden units dropped, in `[0, 1)`. Defaults to 0.5.
        max_value: The pixel value of white. Defaults to 255.
        dtype: Dtype of the images. Defaults to `"uint8"`.
        input_scale: What white becomes. Defaults to 1.
        input_dropout: Share of pixels dropped, in `[0, 1)`. Defaults to 0.
        initial_std: Standard deviation of the initial weights. Defaults to
            Keras' own choice.

    Returns:
        A `keras.Model` from raw images to logits, float32.
    """
    return keras.Sequential(
        [
            *input_layers(
                input_shape, max_value, dtype, input_scale, input_dropout
            ),
            layers.Flatten(),
            layers.Dense(
                hidden_units,
                activation="relu",
                kernel_initializer=initial_weights(initial_std),
            ),
            layers.Dropout(dropout),
            layers.Dense(
                num_classes,
                kernel_initializer=initial_weights(initial_std),
                dtype="float32",
            ),
        ],
        name="mlp",
    )
