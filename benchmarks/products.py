"""The convolutions and matrix products that an update is made of."""

import arithmetic
import keras
import tensorflow as tf


def of_layer(layer, rows):
    """The products of a layer: forth, and back to its kernel and its inputs.

    Args:
        layer: A built `keras.layers.Conv2D` or `keras.layers.Dense`.
        rows: Int.

    Returns:
        Dict from a name to a function without arguments.
    """
    kernel = tf.Variable(layer.kernel)
    x = tf.random.normal([rows, *layer.input.shape[1:]])
    gradient = tf.random.normal([rows, *layer.output.shape[1:]])
    if isinstance(layer, keras.layers.Dense):
        return {
            "forth": lambda: tf.matmul(x, kernel),
            "to the kernel": lambda: tf.matmul(x, gradient, transpose_a=True),
            "to the inputs": lambda: tf.matmul(
                gradient, kernel, transpose_b=True
            ),
        }
    how = {"strides": [1, 1, 1, 1], "padding": "VALID"}
    return {
        "forth": lambda: tf.nn.conv2d(x, kernel, **how),
        "to the kernel": lambda: tf.raw_ops.Conv2DBackpropFilter(
            input=x,
            filter_sizes=kernel.shape,
            out_backprop=gradient,
            **how,
        ),
        "to the inputs": lambda: tf.raw_ops.Conv2DBackpropInput(
            input_sizes=x.shape, filter=kernel, out_backprop=gradient, **how
        ),
    }


def of_update(classifier, rows, rows_u):
    """The products of an update, pseudo-labels from a pass of their own.

    Args:
        classifier: As for `arithmetic.forward`.
        rows: Int: labeled rows.
        rows_u: Int: unlabeled rows.

    Returns:
        Dict from a name to a function without arguments and the number of its
        operations.
    """
    layers = [
        layer
        for layer in classifier.layers
        if isinstance(layer, (keras.layers.Dense, keras.layers.Conv2D))
    ]
    both = rows + rows_u
    found = {}
    for layer, count in zip(
        layers, arithmetic.forward(classifier), strict=True
    ):
        products = of_layer(layer, both)
        if layer is layers[0]:  # No gradient of the images is needed.
            del products["to the inputs"]
        name = f"{type(layer).__name__} of {layer.kernel.shape[-1]}"
        for way, product in products.items():
            found[f"{name}, {way}"] = product, both * count
        forth = of_layer(layer, rows_u)["forth"]
        found[f"{name}, pseudo-labels"] = forth, rows_u * count
    return found
