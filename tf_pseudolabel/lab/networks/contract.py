"""What a network must be, whoever wrote it."""

import keras
import tensorflow as tf

from tf_pseudolabel import compat
from tf_pseudolabel.lab.errors import InputError


def check(name, network, spec, num_classes):
    """Refuses what does not lead from rows to logits of the classes.

    Args:
        name: As the user calls the network.
        network: What a user's function returned; built here if it is not yet.
        spec: `tf.TensorSpec` of a row, or several nested ones.
        num_classes: Int, at least 2.

    Raises:
        InputError: If it is no `keras.Model`, cannot take such rows, or gives
            anything but logits `(batch, num_classes)`.
    """
    if not isinstance(network, keras.Model):
        raise InputError(
            f"network={name} must return a keras.Model; got "
            f"{type(network).__name__}."
        )
    try:
        shape, activated = _outputs(network, spec)
    except Exception as error:  # Whatever a user's layers raise.
        raise InputError(
            f"network={name} must take rows of {_words(spec)}, in batches; "
            f"got {type(error).__name__}: {compat.told(error)}"
        ) from error
    if shape is None or shape[1:] != (num_classes,):
        raise InputError(
            f"network={name} must return one tensor of logits (batch, "
            f"{num_classes}), a value for each class; got "
            f"{'several' if shape is None else shape}."
        )
    if activated:
        raise InputError(
            f"network={name} must return logits; got what softmax or sigmoid "
            "made of them. Leave the last activation out: the run applies it."
        )
    _check_is_data(name, network)


def _check_is_data(name, network):
    """Refuses what is saved as code, which a run directory does not hold."""
    for layer in compat.layers_in(network):
        if isinstance(layer, keras.layers.Lambda):
            saved = keras.saving.serialize_keras_object(layer)
            try:
                keras.saving.deserialize_keras_object(saved, safe_mode=True)
            except Exception as error:  # Keras raises several.
                raise InputError(
                    f"network={name} must be one that can be loaded again "
                    "without executing code that is saved with it; got layer "
                    f"{layer.name}, a Lambda. Make it a class, derived from "
                    "keras.layers.Layer."
                ) from error


def _outputs(network, spec):
    """The shape of the outputs, and whether an activation made them."""
    if not network.built:
        network(_of_each(spec, lambda s: tf.zeros((1, *s.shape), s.dtype)))
    return compat.end_of(
        network,
        _of_each(spec, lambda s: tf.TensorSpec((None, *s.shape), s.dtype)),
    )


def _of_each(spec, make):
    return tf.nest.map_structure(make, spec)


def _words(spec):
    if isinstance(spec, tf.TensorSpec):
        return f"{spec.dtype.name} {spec.shape}"
    parts = (f"{name}: {_words(value)}" for name, value in spec.items())
    return "{" + ", ".join(parts) + "}"
