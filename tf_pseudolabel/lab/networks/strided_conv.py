"""Three convolutions that halve the image on the way: small and fast."""

import keras
from keras import layers

from tf_pseudolabel.lab.networks import parts


def build(
    spec,
    num_classes,
    hidden_units=64,
    dropout=0.0,
    max_value=255.0,
    input_scale=1.0,
):
    """Conv 5x5 32 / 2 - conv 3x3 64 / 2 - conv 3x3 64, flattened, all ReLU.

    Args:
        spec: `tf.TensorSpec` of an image, `(height, width, channels)`.
        num_classes: Int, at least 2.
        hidden_units: Kernels of the last two convolutions; the first has half
            as many. Defaults to 64.
        dropout: Share of features dropped before the logits, in `[0, 1)`.
            Defaults to 0.
        max_value: The pixel value of white. Defaults to 255.
        input_scale: What white becomes. Defaults to 1.

    Returns:
        A `keras.Model` from raw images to logits, float32.

    Raises:
        InputError: If rows are no images.
    """
    parts.check_spec("strided_conv", spec, "images")

    def convolution(filters, size, strides):
        return layers.Conv2D(
            filters, size, strides, padding="same", activation="relu"
        )

    return keras.Sequential(
        [
            *parts.input_layers(spec, max_value, input_scale, 0.0),
            convolution(max(1, hidden_units // 2), 5, 2),
            convolution(hidden_units, 3, 2),
            convolution(hidden_units, 3, 1),
            layers.Flatten(),
            layers.Dropout(dropout),
            parts.logits_layer(num_classes, None),
        ],
        name="strided_conv",
    )
