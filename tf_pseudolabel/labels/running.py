"""Running averages over updates, which adaptive parts remember."""

import tensorflow as tf

from tf_pseudolabel.part import Number


def is_decay(decay):
    """The rule of a `Number` that says what stays of an average.

    Args:
        decay: Float.

    Raises:
        ValueError: If it is outside [0, 1).
    """
    if not 0 <= decay < 1:
        raise ValueError(
            "`decay` is the share of an average that stays in an update, in "
            f"[0, 1); got {decay:g}."
        )


def decay_number():
    """Makes a `Number` for a class: the share of an average that stays."""
    return Number(is_decay)


def move(average, decay, total, count):
    """Moves an exponential average to the mean of some rows.

    Args:
        average: Variable `(k,)` or scalar.
        decay: Float: the share of it that stays.
        total: Float tensor like it: sums over the rows of all replicas.
        count: Float scalar: how many these are; of none it stays.
    """
    mean = tf.math.divide_no_nan(total, count)
    moved = decay * average.value + (1.0 - decay) * mean
    average.assign(tf.where(count > 0, moved, average.value))
