"""Networks of keras.applications, without their own heads."""

import difflib

import keras
from keras import layers

from tf_pseudolabel import compat
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.networks import parts
from tf_pseudolabel.lab.networks.backbones import BACKBONE

_CHANNELS = 3


def build(
    application,
    spec,
    num_classes,
    dropout=0.2,
    max_value=255.0,
    weights="none",
):
    """Raw pixels - its own preprocessing - backbone - mean - logits.

    Args:
        application: Name of a network of keras.applications.
        spec: `tf.TensorSpec` of an image, `(height, width, channels)`; grey
            ones are repeated for each colour.
        num_classes: Int, at least 2.
        dropout: Share of features dropped before the logits, in `[0, 1)`.
            Defaults to 0.2.
        max_value: The pixel value of white. Defaults to 255.
        weights: `"imagenet"` has Keras download weights; nothing else changes
            anything. Defaults to `"none"`.

    Returns:
        A `keras.Model` from raw images to logits, float32, with a layer called
        `backbone`.

    Raises:
        InputError: If there is no such network, rows are no images that it can
            take, or weights cannot be downloaded.
    """
    parts.check_spec(application, spec, "images")
    function = _function(application)
    height, width, channels = spec.shape
    if channels not in (1, _CHANNELS):
        raise InputError(
            f"network={application} takes images with 1 or 3 channels; got "
            f"{channels}. Use --network=FILE.py:FUNCTION for others."
        )
    backbone = _backbone(application, (height, width, _CHANNELS), weights)
    images = keras.Input(spec.shape, dtype=spec.dtype)
    # What keras.applications expects: up to 255, whatever white was.
    pixels = layers.Rescaling(255.0 / max_value)(images)
    if channels == 1:
        pixels = layers.Concatenate()([pixels] * _CHANNELS)
    features = backbone(module_of(function).preprocess_input(pixels))
    features = layers.Dropout(dropout)(features)
    logits = parts.logits_layer(num_classes)(features)
    return keras.Model(images, logits, name=application)


def _backbone(application, shape, weights):
    """The network without its head, for images of a shape."""
    try:
        return _function(application)(
            include_top=False,
            weights="imagenet" if weights == "imagenet" else None,
            input_shape=shape,
            pooling="avg",
            name=BACKBONE,
        )
    except ValueError as error:
        raise InputError(
            f"network={application} takes no images of {shape[0]}x{shape[1]} "
            f"pixels: {compat.told(error).rstrip('.')}. Raise --image_size."
        ) from None
    except Exception as error:  # Keras raises this very class.
        if weights != "imagenet":
            raise
        raise InputError(
            f"The weights of {application} could not be downloaded: "
            f"{compat.told(error).rstrip('.')}. Give a file as --weights=PATH."
        ) from error


def _function(application):
    """The function of keras.applications that makes a network."""
    known = {
        name: function
        for name, function in vars(keras.applications).items()
        if name[0].isupper()
    }
    if application not in known:
        near = difflib.get_close_matches(application, known, n=3, cutoff=0)
        raise InputError(
            "A network that begins with a capital letter is one of "
            f"keras.applications; got {application!r}. Did you mean "
            f"{', '.join(near[:-1])} or {near[-1]}?"
        )
    return known[application]


def module_of(function):
    """The public module of a network, which has its preprocessing."""
    return getattr(keras.applications, function.__module__.rpartition(".")[2])
