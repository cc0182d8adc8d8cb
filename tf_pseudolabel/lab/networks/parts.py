"""What the networks have in common."""

import keras
import tensorflow as tf
from keras import layers

from tf_pseudolabel.lab.errors import InputError

# What rows are, their rank, and whether they are whole numbers (None: either).
_KINDS = {
    "images": ("images (height, width, channels)", 3, None),
    "numbers": ("floats (columns,)", 1, False),
    "tokens": ("token ids (length,)", 1, True),
}


def check_spec(network, spec, kind):
    """Refuses inputs that are not of a network's kind.

    Args:
        network: The network's name.
        spec: `tf.TensorSpec` of a row, or several nested ones.
        kind: `"images"`, `"numbers"` or `"tokens"`.

    Raises:
        InputError: If rows are of another kind.
    """
    text, rank, whole = _KINDS[kind]
    if isinstance(spec, tf.TensorSpec):
        fits = spec.shape.rank == rank and whole in (
            None,
            spec.dtype.is_integer,
        )
        got = f"{spec.dtype.name} {spec.shape}"
    else:
        fits, got = False, f"several inputs: {', '.join(spec)}"
    if not fits:
        raise InputError(
            f"network={network} reads {text}; got {got}. conv, mlp, "
            "strided_conv, norm_conv and networks of keras.applications read "
            "images, text_conv texts, table_mlp tables, FILE.py:FUNCTION "
            "whatever its function says."
        )


def input_layers(spec, max_value=255.0, scale=1.0, dropout=0.0):
    """Makes the layers that networks for images begin with.

    Args:
        spec: `tf.TensorSpec` of an image, `(height, width, channels)`.
        max_value: The pixel value of white. Defaults to 255.
        scale: What white becomes. Defaults to 1.
        dropout: Share of the inputs dropped, in `[0, 1)`. Defaults to 0.

    Returns:
        A list of layers.
    """
    noise = [layers.Dropout(dropout)] if dropout else []
    return [
        keras.Input(spec.shape, dtype=spec.dtype),
        layers.Rescaling(scale / max_value),
        *noise,
    ]


def hidden_layers(units, dropout, std=None):
    """Makes a hidden layer with dropout.

    Args:
        units: Int: its units.
        dropout: Share of them dropped, in `[0, 1)`.
        std: As for `initial_weights`.

    Returns:
        A list of layers.
    """
    return [
        layers.Dense(
            units, activation="relu", kernel_initializer=initial_weights(std)
        ),
        layers.Dropout(dropout),
    ]


def logits_layer(num_classes, std=None):
    """Makes the last layer, which stays float32 in mixed precision.

    Args:
        num_classes: Int, at least 2.
        std: As for `initial_weights`.

    Returns:
        A layer.
    """
    return layers.Dense(
        num_classes, kernel_initializer=initial_weights(std), dtype="float32"
    )


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
