"""The two-convolution network of the 2020 reproduction of Lee's paper."""

import keras
from keras import layers

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.networks.parts import initial_weights, input_layers

# Two unpadded 5x5 convolutions, each followed by a pooling, need this much.
_SMALLEST_UNPADDED = 16
# Two poolings halve the image twice.
_SMALLEST = 4


def build(
    input_shape,
    num_classes,
    hidden_units=150,
    dropout=0.5,
    max_value=255.0,
    dtype="uint8",
    input_scale=1.0,
    input_dropout=0.0,
    initial_std=None,
):
    """Conv 20 - pool - conv 40 - pool - dense, all ReLU, 5x5 kernels.

    Spatial dropout follows the second convolution, plain dropout the hidden
    layer. Images below 16 pixels are zero-padded, so that there is something
    left to convolve.

    Args:
        input_shape: `(height, width, channels)`.
        num_classes: Int, at least 2.
        hidden_units: Units of the hidden layer. Defaults to 150.
        dropout: Share dropped at both places, in `[0, 1)`. Defaults to 0.5.
        max_value: The pixel value of white. Defaults to 255.
        dtype: Dtype of the images. Defaults to `"uint8"`.
        input_scale: What white becomes. Defaults to 1.
        input_dropout: Share of pixels dropped, in `[0, 1)`. Defaults to 0.
        initial_std: Standard deviation of the initial weights. Defaults to
            Keras' own choice.

    Returns:
        A `keras.Model` from raw images to logits, float32.

    Raises:
        InputError: If the images are smaller than 4x4.
    """
    if min(input_shape[:2]) < _SMALLEST:
        raise InputError(
            f"conv needs images of at least {_SMALLEST}x{_SMALLEST} pixels; "
            f"got {input_shape[0]}x{input_shape[1]}. Raise --image_size or "
            "use --network=mlp."
        )
    small = min(input_shape[:2]) < _SMALLEST_UNPADDED
    padding = "same" if small else "valid"
    return keras.Sequential(
        [
            *input_layers(
                input_shape, max_value, dtype, input_scale, input_dropout
            ),
            layers.Conv2D(
                20,
                5,
                padding=padding,
                kernel_initializer=initial_weights(initial_std),
            ),
            layers.MaxPooling2D(),
            layers.ReLU(),
            layers.Conv2D(
                40,
                5,
                padding=padding,
                kernel_initializer=initial_weights(initial_std),
            ),
            layers.SpatialDropout2D(dropout),
            layers.MaxPooling2D(),
            layers.ReLU(),
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
        name="conv",
    )
