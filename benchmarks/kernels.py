"""Times the products of an update alone, each by itself: how fast could it be?

    .venv/bin/python benchmarks/kernels.py --output=kernels.json

The convolutions of the network `conv` and its matrix products, forth and back,
for 32 labeled and 256 unlabeled rows, pseudo-labels from a pass of their own;
and the rate of a large matrix product. The last line says which share of that
rate an update would reach if it did nothing else.
"""

import os
import time

from absl import app, flags

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import arithmetic
import keras
import subjects
import tensorflow as tf
import timing

flags.DEFINE_string("output", None, "JSON file to write")
flags.DEFINE_integer("rounds", 7, "turns; the figures are their medians")
flags.DEFINE_integer("steps", 30, "products per turn")

LABELED = 32


def products_of(layer, rows):
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


def timed(product, steps):
    """Makes a function that returns the time of a product."""
    product = tf.function(product)
    product()

    def measure():
        start = time.perf_counter()
        for _ in range(steps):
            found = product()
        found[0, 0].numpy()
        return (time.perf_counter() - start) / steps

    return measure


def products_of_update(classifier):
    """Every product of an update: its function and its operations, by name."""
    layers = [
        layer
        for layer in classifier.layers
        if isinstance(layer, (keras.layers.Dense, keras.layers.Conv2D))
    ]
    both = LABELED + subjects.ROWS_U
    found = {}
    for layer, count in zip(
        layers, arithmetic.forward(classifier), strict=True
    ):
        products = products_of(layer, both)
        if layer is layers[0]:  # No gradient of the images is needed.
            del products["to the inputs"]
        name = f"{type(layer).__name__} of {layer.kernel.shape[-1]}"
        for way, product in products.items():
            found[f"{name}, {way}"] = product, both * count
        forth = products_of(layer, subjects.ROWS_U)["forth"]
        found[f"{name}, pseudo-labels"] = forth, subjects.ROWS_U * count
    return found


def main(_):
    """Takes turns and prints the medians."""
    classifier, *_ = subjects.parts("conv")
    products = products_of_update(classifier)
    contenders = {
        name: timed(product, flags.FLAGS.steps)
        for name, (product, _) in products.items()
    }
    contenders["rate"] = arithmetic.rate
    times = timing.take_turns(contenders, flags.FLAGS.rounds)
    rates = times.pop("rate")
    figures = [
        timing.figure(
            "a large product",
            "GFLOP/s",
            [rate / 1e9 for rate in rates],
            better=None,
        )
    ]
    for name, values in times.items():
        operations = products[name][1]
        figures += [
            timing.figure(name, "ms", [1e3 * v for v in values], better=None),
            timing.figure(
                f"{name}: rate",
                "GFLOP/s",
                [operations / value / 1e9 for value in values],
                better=None,
            ),
        ]
    whole = [sum(values) for values in zip(*times.values(), strict=True)]
    operations = sum(count for _, count in products.values())
    shares = [
        operations / seconds / rate
        for seconds, rate in zip(whole, rates, strict=True)
    ]
    figures += [
        timing.figure("all", "ms", [1e3 * v for v in whole], better=None),
        timing.figure("all: share of the rate", "x", shares, better="higher"),
    ]
    timing.report("kernels", figures, flags.FLAGS.output)


if __name__ == "__main__":
    app.run(main)
