"""What has been learned elsewhere: its weights, and how much of it moves."""

import pathlib

import keras

from tf_pseudolabel import compat
from tf_pseudolabel.lab.errors import InputError

# By this name a network's layer is known that was trained before.
BACKBONE = "backbone"


def backbone_of(network):
    """Finds the layer of a network that was trained before.

    Args:
        network: A `keras.Model`.

    Returns:
        Its layer called `backbone`.

    Raises:
        InputError: If it has none.
    """
    for layer in network.layers:
        if layer.name == BACKBONE:
            return layer
    raise InputError(
        "freeze and backbone_learning_rate are for a network with a layer "
        f"called {BACKBONE}; got {network.name} without one. Use a network of "
        "keras.applications, or give a layer of your own that name."
    )


def freeze(network, amount):
    """Has layers of a backbone stay as they are.

    Their batch normalization stays as it is, too: it goes on as in inference.

    Args:
        network: A `keras.Model`, changed in place.
        amount: `"all"`, or an int: that many of the backbone's first layers.

    Raises:
        InputError: If there is no backbone, or it has fewer layers.
    """
    backbone = backbone_of(network)
    if amount == "all":
        backbone.trainable = False
        return
    count, layers = int(amount), getattr(backbone, "layers", [backbone])
    if count > len(layers):
        raise InputError(
            f"freeze is at most the number of the backbone's layers, "
            f"{len(layers)}; got {count}. Use --freeze=all."
        )
    for layer in layers[:count]:
        layer.trainable = False


def load_weights(network, path):
    """Loads weights of a whole network, or of its backbone alone.

    Args:
        network: A `keras.Model` with weights, changed in place.
        path: A file: `.keras`, or `.h5` as `save_weights` writes it.

    Raises:
        InputError: If there is no such file, or it fits neither.
    """
    if not (path.endswith((".keras", ".h5")) and pathlib.Path(path).is_file()):
        raise InputError(
            f"weights is a .keras or .h5 file that exists; got {path}."
        )
    backbone = [layer for layer in network.layers if layer.name == BACKBONE]
    load = _from_model if path.endswith(".keras") else _from_weights
    problem = load([network, *backbone], path)
    if problem:
        parts = (
            f"{network.name} or of its backbone" if backbone else (network.name)
        )
        raise InputError(
            f"weights is a file with the weights of {parts}; {path} does not "
            f"fit: {problem}."
        )


def _from_model(targets, path):
    """Copies weights out of a saved model; says what is wrong, if it is."""
    try:
        saved = keras.saving.load_model(path, compile=False)
    except Exception as error:  # One for every way to be damaged.
        return compat.told(error)
    for target in targets:
        shapes = [weight.shape for weight in target.weights]
        # A network with another head has a backbone that fits.
        for source in (saved, *saved.layers):
            if shapes == [weight.shape for weight in source.weights]:
                target.set_weights(source.get_weights())
                return None
    return f"{saved.name} has other weights"


def _from_weights(targets, path):
    """Loads a file of weights; says what is wrong, if it is."""
    for target in targets:
        try:
            target.load_weights(path)
        except Exception as error:  # Keras raises several.
            problem = compat.told(error).rstrip(".")
        else:
            return None
    return problem
