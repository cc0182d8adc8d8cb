"""The two-convolution network of the 2020 reproduction of Lee's paper."""

import keras
from keras import layers

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.networks import parts

# Two unpadded 5x5 convolutions, each followed by a pooling, need this much.
_SMALLEST_UNPADDED = 16
# Two poolings halve the image twice.
_SMALLEST = 4


def build(
    spec,
    num_classes,
    hidden_units=150,
    dropout=0.5,
    max_value=255.0,
    input_scale=1.0,
    input_dropout=0.0,
    initial_std=None,
):
    """Conv 20 - pool - conv 40 - pool - dense, all ReLU, 5x5 kernels.

    Spatial dropout follows the second convolution, plain dropout the hidden
    layer. Images below 16 pixels are zero-padded, so that there is something
    left to convolve.

    Args:
        spec: `tf.TensorSpec` of an image, `(height, width, channels)`.
        num_classes: Int, at least 2.
        hidden_units: Units of the hidden layer. Defaults to 150.
        dropout: Share dropped at both places, in `[0, 1)`. Defaults to 0.5.
        max_value: The pixel value of white. Defaults to 255.
        input_scale: What white becomes. Defaults to 1.
        input_dropout: Share of pixels dropped, in `[0, 1)`. Defaults to 0.
        initial_std: Standard deviation of the initial weights. Defaults to
            Keras' own choice.

    Returns:
        A `keras.Model` from raw images to logits, float32.

    Raises:
        InputError: If rows are no images, or smaller than 4x4.
    """
    parts.check_spec("conv", spec, "images")
    height, width, _ = spec.shape
    if min(height, width) < _SMALLEST:
        raise InputError(
            f"conv needs images of at least {_SMALLEST}x{_SMALLEST} pixels; "
            f"got {height}x{width}. Raise --image_size or use --network=mlp."
        )
    small = min(height, width) < _SMALLEST_UNPADDED

    def convolution(kernels):
        return layers.Conv2D(
            kernels,
            5,
            padding="same" if small else "valid",
            kernel_initializer=parts.initial_weights(initial_std),
        )

    return keras.Sequential(
        [
            *parts.input_layers(spec, max_value, input_scale, input_dropout),
            convolution(20),
            layers.MaxPooling2D(),
            layers.ReLU(),
            convolution(40),
            layers.SpatialDropout2D(dropout),
            layers.MaxPooling2D(),
            layers.ReLU(),
            layers.Flatten(),
            *parts.hidden_layers(hidden_units, dropout, initial_std),
            parts.logits_layer(num_classes, initial_std),
        ],
        name="conv",
    )
