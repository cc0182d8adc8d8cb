"""Lee's network: one hidden layer (Lee 2013, section 2.1)."""

import keras
from keras import layers

from tf_pseudolabel.lab.networks import parts


def build(
    spec,
    num_classes,
    hidden_units=5000,
    dropout=0.5,
    max_value=255.0,
    input_scale=1.0,
    input_dropout=0.0,
    initial_std=None,
):
    """One ReLU layer with dropout between the pixels and the logits.

    Args:
        spec: `tf.TensorSpec` of an image, `(height, width, channels)`.
        num_classes: Int, at least 2.
        hidden_units: Units of the hidden layer. Defaults to 5000.
        dropout: Share of hidden units dropped, in `[0, 1)`. Defaults to 0.5.
        max_value: The pixel value of white. Defaults to 255.
        input_scale: What white becomes. Defaults to 1.
        input_dropout: Share of pixels dropped, in `[0, 1)`. Defaults to 0.
        initial_std: Standard deviation of the initial weights. Defaults to
            Keras' own choice.

    Returns:
        A `keras.Model` from raw images to logits, float32.

    Raises:
        InputError: If rows are no images.
    """
    parts.check_spec("mlp", spec, "images")
    return keras.Sequential(
        [
            *parts.input_layers(spec, max_value, input_scale, input_dropout),
            layers.Flatten(),
            *parts.hidden_layers(hidden_units, dropout, initial_std),
            parts.logits_layer(num_classes, initial_std),
        ],
        name="mlp",
    )
