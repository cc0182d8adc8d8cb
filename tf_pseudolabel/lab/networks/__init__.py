"""The classifiers of the recipes, by name."""

import importlib

NETWORKS = {
    "conv": "two convolutions and one hidden layer, dropout",
    "mlp": "one hidden layer, dropout (Lee 2013)",
}


def build(name, input_shape, num_classes, **options):
    """Builds a classifier by name.

    Args:
        name: One of `NETWORKS`.
        input_shape: `(height, width, channels)`.
        num_classes: Int, at least 2.
        **options: What the network's `build` takes besides.

    Returns:
        A `keras.Model` from images to logits `(batch, num_classes)`, float32.
    """
    module = importlib.import_module(f"{__name__}.{name}")
    return module.build(input_shape, num_classes, **options)
