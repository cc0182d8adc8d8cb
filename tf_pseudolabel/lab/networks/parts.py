"""What the networks have in common."""

import keras
from keras import layers


def input_layers(
    input_shape, max_value=255.0, dtype="uint8", scale=1.0, dropout=0.0
):
    """Makes the layers that every network begins with.

    Args:
        input_shape: `(height, width, channels)`.
        max_value: The pixel value of white. Defaults to 255.
        dtype: Dtype of the images. Defaults to `"uint8"`.
        scale: What white becomes. Defaults to 1.
        dropout: Share of the inputs dropped, in `[0, 1)`. Defaults to 0.

    Returns:
        A list of layers.
    """
    noise = [layers.Dropout(dropout)] if dropout else []
    return [
        keras.Input(input_shape, dtype=dtype),
        layers.Rescaling(scale / max_value),
        *noise,
    ]


def initial_weights(std=None):
    """Makes the initializer of a layer's weights.

    Args:
        std: Float above 0: normally distributed with that standard deviation.
            Defaults to Keras' own choice, Glorot's uniform distribution.

    Returns:
        What Keras takes for a `kernel_initializer`; one layer's own.
    """
    if std is None:
        return "glorot_uniform"
    return keras.initializers.RandomNormal(stddev=std)
