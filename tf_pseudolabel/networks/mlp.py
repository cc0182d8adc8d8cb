"""Lee's network: one hidden layer (Lee 2013, section 2.1)."""

import keras
from keras import layers


def build(
    input_shape,
    num_classes,
    hidden_units=5000,
    dropout=0.5,
    max_value=255.0,
    dtype="uint8",
):
    """One ReLU layer with dropout between the pixels and the logits.

    Args:
        input_shape: `(height, width, channels)`.
        num_classes: Int, at least 2.
        hidden_units: Units of the hidden layer. Defaults to 5000.
        dropout: Share of hidden units dropped, in `[0, 1)`. Defaults to 0.5.
        max_value: Pixel value that becomes 1. Defaults to 255.
        dtype: Dtype of the images. Defaults to `"uint8"`.

    Returns:
        A `keras.Model` from raw images to logits, float32.
    """
    return keras.Sequential(
        [
            keras.Input(input_shape, dtype=dtype),
            layers.Rescaling(1.0 / max_value),
            layers.Flatten(),
            layers.Dense(hidden_units, activation="relu"),
            layers.Dropout(dropout),
            layers.Dense(num_classes, dtype="float32"),
        ],
        name="mlp",
    )
