"""Floating-point operations of an update, and how fast a machine does them."""

import math
import time

import tensorflow as tf
from keras import layers

from tf_pseudolabel import compat


def forward(classifier):
    """Operations of one row's pass through each layer with a kernel.

    A multiplication and an addition per weight and place. What else there is
    (activations, pooling, dropout) is not counted: less than 1 % of these
    networks' operations.

    Args:
        classifier: A built `keras.Model` of dense and convolutional layers.

    Returns:
        List of ints, a layer each.
    """
    counts = []
    kinds = (layers.Dense, layers.Conv2D, layers.DepthwiseConv2D)
    for layer in compat.layers_in(classifier):
        if isinstance(layer, kinds):
            *places, _ = layer.output.shape[1:]
            counts.append(2 * math.prod(layer.kernel.shape) * math.prod(places))
    return counts


def update(classifier, rows, rows_u, teacher):
    """Operations of an update on labeled and unlabeled rows.

    Forth once; back twice, for the weights and for the inputs, of which the
    first layer's are not needed; and the pass that makes the pseudo-labels.

    Args:
        classifier: As for `forward`.
        rows: Int: labeled rows.
        rows_u: Int: unlabeled rows.
        teacher: `"inference"`, a pass of its own, or `"training"`, none.
    """
    counts = forward(classifier)
    trained = (rows + rows_u) * (3 * sum(counts) - counts[0])
    return trained + (rows_u * sum(counts) if teacher == "inference" else 0)


def rate(size=2048, repeats=5):
    """Operations per second of a large product of matrices, at its best.

    Args:
        size: Int: rows and columns.
        repeats: Int: products that are timed.
    """
    a, b = (tf.random.normal([size, size]) for _ in range(2))
    product = tf.function(tf.matmul)
    product(a, b).numpy()
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        product(a, b)[0, 0].numpy()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best
