"""The classifiers of the recipes, by name.

A network of the laboratory is a file with a function `build`. Others are those
of keras.applications, KerasHub presets in a directory, and functions of a
user's own. Names are checked, and options read, without TensorFlow.
"""

import functools
import importlib
import inspect
import pathlib

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.networks import own

NETWORKS = {
    "conv": "images: two convolutions and one hidden layer, dropout",
    "mlp": "images: one hidden layer, dropout (Lee 2013)",
    "strided_conv": "images: three convolutions, two of them strided",
    "norm_conv": "images: four convolutions, batch normalization",
    "text_conv": "texts: word vectors and one convolution, dropout (Kim 2014)",
    "table_mlp": "tables: two hidden layers, dropout",
}
# What else a name may be.
OTHERS = {
    "MobileNetV3Small": "images: this or any other of keras.applications",
    "FILE.py:FUNCTION": "anything: one's own; or package.module:FUNCTION",
}

# What `weights` may be beside a file.
NO_FILE = ("none", "imagenet")


def check_name(name):
    """Refuses what cannot be a network; nothing is imported or read.

    Args:
        name: One of `NETWORKS`, a name of keras.applications, or a function of
            one's own.

    Raises:
        InputError: If it is none of them by its form.
    """
    if is_own(name):
        own.check_form(name)
    elif name not in NETWORKS and not is_application(name):
        raise InputError(
            f"network is one of {', '.join(NETWORKS)}, a name of "
            "keras.applications such as MobileNetV3Small, or "
            f"FILE.py:FUNCTION; got {name!r}."
        )


def is_own(name):
    """Whether a name is that of a function of a user's own.

    Args:
        name: As for `check_name`; None: it is not.
    """
    return name is not None and ":" in name


def is_application(name):
    """Whether a name can be one of keras.applications.

    Args:
        name: String.
    """
    return name.isidentifier() and name[0].isupper()


def parameters(name):
    """Reads which options a network takes, without importing it.

    Args:
        name: As for `check_name`.

    Returns:
        A set of names; None if the source does not tell.
    """
    if is_own(name):
        return own.parameters(name)
    file = "applications" if is_application(name) else name
    folder = pathlib.Path(__file__).parent
    return own.parameters(f"{folder / file}.py:build")


def located(name):
    """Makes the path in a network's name absolute.

    Args:
        name: As for `check_name`.

    Returns:
        The name; as it was, if there is no path in it.

    Raises:
        InputError: If there is no such file.
    """
    return own.located(name) if is_own(name) else name


def prepare(name):
    """Imports what defines a network, so that Keras can load it.

    Args:
        name: As for `check_name`.

    Raises:
        InputError: If it is a function of one's own that cannot be imported.
    """
    # What was defined in this very program is known to Keras.
    if is_own(name) and not name.startswith("__main__:"):
        own.load(name)


def build(name, spec, num_classes, weights="none", freeze="none", **options):
    """Builds a classifier.

    Args:
        name: As for `check_name`; or a function of one's own itself.
        spec: `tf.TensorSpec` of one row, without the batch axis; for several
            inputs, nested dicts of them.
        num_classes: Int, at least 2.
        weights: `"none"`; a file with weights of the network or of its layer
            `backbone`; or `"imagenet"`, which Keras downloads. Defaults to
            `"none"`.
        freeze: How much of `backbone` does not learn: `"none"`, `"all"`, or how
            many of its first layers. Defaults to `"none"`.
        **options: What networks may be told besides; each gets those that its
            function names.

    Returns:
        A `keras.Model` from rows to logits `(batch, num_classes)`.

    Raises:
        InputError: If there is no such network, or it does not fit the rows,
            the classes, or the weights.
    """
    # TensorFlow: not before there is something to build.
    from tf_pseudolabel.lab.networks import backbones, contract

    function = name
    if callable(name):
        name = name_of(name)
    else:
        check_name(name)
        function = _function(name)
    taken = _taken(function, {**options, "weights": weights})
    if weights == "imagenet" and "weights" not in taken:
        raise InputError(
            "weights=imagenet is for networks of keras.applications; got "
            f"network={name}. Give a file as --weights=PATH."
        )
    if is_own(name):
        network = own.call(name, function, spec, num_classes, taken)
        contract.check(name, network, spec, num_classes)
    else:
        network = function(spec, num_classes, **taken)
    if weights not in NO_FILE:
        backbones.load_weights(network, weights)
    if freeze != "none":
        backbones.freeze(network, freeze)
    return network


def name_of(function):
    """Returns the name by which another process could find a function.

    Args:
        function: A function of one's own.
    """
    return f"{function.__module__}:{function.__name__}"


def _function(name):
    """What builds a network, of `(spec, num_classes, **options)`."""
    if is_own(name):
        return own.load(name)
    file = "applications" if is_application(name) else name
    build = importlib.import_module(f"{__name__}.{file}").build
    return functools.partial(build, name) if is_application(name) else build


def _taken(function, options):
    """Those of the options that a function names; all, if it has `**`."""
    named = inspect.signature(function).parameters
    if any(each.kind is each.VAR_KEYWORD for each in named.values()):
        return options
    return {key: value for key, value in options.items() if key in named}
