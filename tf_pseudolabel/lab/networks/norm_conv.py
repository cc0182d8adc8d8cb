"""Four convolutions with batch normalization, for small photos."""

import keras
from keras import layers

from tf_pseudolabel.lab.networks import parts

# Moving statistics look back on some ten updates: trainings of a few thousand
# end with those of their last network.
_MOMENTUM = 0.9


def build(
    spec,
    num_classes,
    hidden_units=128,
    dropout=0.0,
    max_value=255.0,
    input_scale=1.0,
):
    """Conv 5x5 32 / 2 - 3x3 64 / 2 - 3x3 128 - 3x3 128 / 2, averaged.

    Each is followed by batch normalization and ReLU; features are means over
    all places, so that images may be of any size.

    Args:
        spec: `tf.TensorSpec` of an image, `(height, width, channels)`.
        num_classes: Int, at least 2.
        hidden_units: Kernels of the last two convolutions; the second has half
            as many, the first a quarter. Defaults to 128.
        dropout: Share of features dropped before the logits, in `[0, 1)`.
            Defaults to 0.
        max_value: The pixel value of white. Defaults to 255.
        input_scale: What white becomes. Defaults to 1.

    Returns:
        A `keras.Model` from raw images to logits, float32.

    Raises:
        InputError: If rows are no images.
    """
    parts.check_spec("norm_conv", spec, "images")

    def convolution(filters, size, strides):
        # What would be added is taken away with the mean.
        return [
            layers.Conv2D(
                filters, size, strides, padding="same", use_bias=False
            ),
            layers.BatchNormalization(momentum=_MOMENTUM),
            layers.ReLU(),
        ]

    return keras.Sequential(
        [
            *parts.input_layers(spec, max_value, input_scale, 0.0),
            *convolution(max(1, hidden_units // 4), 5, 2),
            *convolution(max(1, hidden_units // 2), 3, 2),
            *convolution(hidden_units, 3, 1),
            *convolution(hidden_units, 3, 2),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(dropout),
            parts.logits_layer(num_classes, None),
        ],
        name="norm_conv",
    )
