"""Where layers are made that turn raw inputs into what networks take."""

import contextlib
import warnings

import keras
import numpy as np
import tensorflow as tf

# Between these, squares and their roots are far from the ends of float32, and
# from what Keras adds to them.
_LEAST, _MOST = 1e-3, 1e15


@contextlib.contextmanager
def float32_on_cpu():
    """Layers made here compute in float32 on the CPU.

    They are called by `tf.data`, which has no other device, and a network in
    half precision is no reason to read its inputs coarsely.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        with tf.device("CPU:0"):
            yield
    finally:
        keras.config.set_dtype_policy(before)


def normalization(rows):
    """Makes what gives numbers a mean of 0 and a deviation of 1.

    What is always the same keeps a deviation of its own, as others are not
    infinitely far from it; of what is never known the mean is 0.

    Args:
        rows: Float array `(n, ...)` of training rows, NaN where nothing is
            known.

    Returns:
        A layer of numbers `(batch, ...)`, of which each place is normalized.
    """
    rows = np.asarray(rows, np.float64)
    with warnings.catch_warnings():
        # NumPy warns of what is never known, and says NaN.
        warnings.simplefilter("ignore", RuntimeWarning)
        mean = np.nan_to_num(np.nanmean(rows, axis=0))
        # A deviation is rounded: that of equal numbers need not be 0.
        differ = np.nanmin(rows, axis=0) < np.nanmax(rows, axis=0)
        deviation = np.where(differ, np.nanstd(rows, axis=0), 1.0)
    # A power of 2, which changes no digit.
    far = (deviation < _LEAST) | (deviation > _MOST)
    unit = np.where(far, 2.0 ** np.floor(np.log2(deviation)), 1.0)
    normalized = keras.layers.Normalization(
        mean=mean / unit, variance=(deviation / unit) ** 2
    )
    if not far.any():
        return normalized
    scaled = keras.layers.Rescaling((1 / unit).tolist())
    return keras.Sequential([scaled, normalized])
