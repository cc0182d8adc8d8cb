"""Pictures that nearly look the same, though their pixels differ."""

import numpy as np
import tensorflow as tf

from tf_pseudolabel.lab.data.inputs import Inputs

# Of photos saved again as JPEG nearly all reach it where the hashes agree; of
# 10,000 handwritten digits, 2,292 share a hash with another and 5 reach it.
_LEAST_CORRELATION = 0.995
_SIDE = 16
# Pairs that are looked at closely.
_MOST = 100_000


def pairs(
    looks: np.ndarray, measured: np.ndarray, trained: np.ndarray, inputs: Inputs
) -> np.ndarray:
    """Finds rows to measure on that nearly look like rows to train on.

    The same difference hash makes a pair a candidate; it counts if both, 16
    pixels high and wide, correlate.

    Args:
        looks: `(n,)` uint64: the difference hash of each row; 0: it has one
            brightness, and looks like any other of that kind.
        measured: Int array: some of the rows.
        trained: Int array: others.
        inputs: `Inputs` of n images.

    Returns:
        Int array `(k, 2)`: a row of `measured` and the first of `trained` that
        it looks like.
    """
    order = trained[np.argsort(looks[trained], kind="stable")]
    start = np.searchsorted(looks[order], looks[measured], "left")
    stop = np.searchsorted(looks[order], looks[measured], "right")
    counts = np.where(looks[measured] == 0, 0, stop - start)
    within = np.arange(counts.sum()) - np.repeat(
        np.cumsum(counts) - counts, counts
    )
    found = np.stack(
        [
            np.repeat(measured, counts),
            order[np.repeat(start, counts) + within],
        ],
        axis=1,
    )[:_MOST]
    rows, places = np.unique(found, return_inverse=True)
    images = _standardized(rows, inputs)
    first, second = np.moveaxis(images[places.reshape(found.shape)], 1, 0)
    found = found[(first * second).sum(axis=1) >= _LEAST_CORRELATION]
    _, firsts = np.unique(found[:, 0], return_index=True)
    return found[firsts]


def _standardized(rows: np.ndarray, inputs: Inputs) -> np.ndarray:
    """Small grey images, `(n, 256)`, of mean 0 and length 1."""
    parts = [np.zeros((0, _SIDE * _SIDE), np.float32)]
    with tf.device("CPU:0"):
        for start in range(0, len(rows), 256):
            some = rows[start : start + 256]
            images = tf.cast(inputs.batch(tf.constant(some)), tf.float32)
            small = tf.image.resize(images, (_SIDE, _SIDE), method="area")
            grey = tf.reduce_mean(small, axis=-1).numpy()
            parts.append(grey.reshape(len(some), -1))
    flat = np.concatenate(parts)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
