"""Resizing that keeps pixels uint8."""

import tensorflow as tf

MODES = {
    "stretch": "to the size, whatever becomes of proportions",
    "crop": "until the size is filled; what stands out is cut off evenly",
    "pad": "until they fit; the rest is black, evenly on both sides",
}


def resize(
    image: tf.Tensor, size: tuple[int, int], mode: str = "stretch"
) -> tf.Tensor:
    """Resizes one image, or a batch, with antialiasing.

    Args:
        image: `(..., height, width, channels)` uint8, rank 3 or 4.
        size: New height and width.
        mode: One of `MODES`. "crop" and "pad" keep proportions, as far as
            whole pixels do.

    Returns:
        The image at `size`, uint8, rounded to the nearest pixel value.
    """
    within = size if mode == "stretch" else _scaled(image, size, mode)
    resized = tf.image.resize(image, within, antialias=True)
    resized = tf.saturate_cast(tf.round(resized), tf.uint8)
    if mode == "stretch":
        return resized
    return tf.image.resize_with_crop_or_pad(resized, *size)


def _scaled(
    image: tf.Tensor, size: tuple[int, int], mode: str
) -> list[tf.Tensor]:
    """The size in old proportions that covers the new one, or fits into it."""
    old = tf.unstack(tf.cast(tf.shape(image)[-3:-1], tf.int64))
    # Whole numbers: the same on every machine.
    sides = [
        (2 * old[side] * size[1 - side] + old[1 - side]) // (2 * old[1 - side])
        for side in (0, 1)
    ]
    if mode == "crop":
        sides = [tf.maximum(x, s) for x, s in zip(sides, size, strict=True)]
    else:
        sides = [
            tf.clip_by_value(x, 1, s) for x, s in zip(sides, size, strict=True)
        ]
    return tf.cast(tf.stack(sides), tf.int32)
