"""Resizing that keeps pixels uint8."""

import tensorflow as tf


def resize(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Resizes one image, or a batch, with antialiasing.

    Args:
        image: `(..., height, width, channels)` uint8, rank 3 or 4.
        size: New height and width.

    Returns:
        The image at `size`, uint8, rounded to the nearest pixel value.
    """
    resized = tf.image.resize(image, size, antialias=True)
    return tf.saturate_cast(tf.round(resized), tf.uint8)
