"""Where layers are made that turn raw inputs into what networks take."""

import contextlib

import keras
import tensorflow as tf


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
