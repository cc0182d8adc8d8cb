"""What is timed: networks, random images, and `fit` of a model on them."""

import functools
import time
import typing

import keras
import numpy as np
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel import losses, networks, optimizers

ROWS_U = 256
LEARNING_RATE = 0.1


class Setting(typing.NamedTuple):
    """What is timed."""

    network: str
    rows: int
    teacher: str

    def __str__(self):
        return f"{self.network} {self.rows}+{ROWS_U} {self.teacher}"


SETTINGS = tuple(
    Setting(network, rows, teacher)
    for network, rows in (("conv", 32), ("conv", 64), ("mlp", 32))
    for teacher in ("inference", "training")
)


@functools.cache
def examples():
    """Random images and labels: 1000 labeled ones, 19,000 without."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (20_000, 28, 28, 1), dtype=np.uint8)
    return images[:1000], np.arange(1000) % 10, images[1000:]


def labeled_stream(rows):
    """Batches of labeled images, without end."""
    x, y, _ = examples()
    labeled = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), 0)
    return labeled.repeat().batch(rows, drop_remainder=True)


def merged_stream(rows):
    """The same, merged with batches of unlabeled images."""
    *_, x_u = examples()
    unlabeled = tf.data.Dataset.from_tensor_slices(x_u).shuffle(len(x_u), 0)
    return tpl.merge_streams(
        labeled_stream(rows),
        unlabeled.repeat().batch(ROWS_U, drop_remainder=True),
    )


def parts(network, dropout=0.5):
    """Classifier, loss and optimizer, the same at every call."""
    keras.utils.set_random_seed(0)
    if network == "conv":
        units = 150
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer = keras.optimizers.SGD(LEARNING_RATE)
    else:
        units = 5000
        loss = losses.SummedBinaryCrossentropy(from_logits=True)
        optimizer = optimizers.ScheduledMomentum(LEARNING_RATE, momentum=0.5)
    classifier = networks.build(
        network, (28, 28, 1), 10, hidden_units=units, dropout=dropout
    )
    return classifier, loss, optimizer


def pseudo_label_model(setting, alpha=1.0, dropout=0.5):
    """A compiled `PseudoLabelModel`."""
    classifier, loss, optimizer = parts(setting.network, dropout)
    model = tpl.PseudoLabelModel(
        classifier, teacher=setting.teacher, batch_norm="joint"
    )
    model.compile(optimizer, loss, metrics=["accuracy"])
    model.alpha.assign(alpha)
    return model


def time_of_fit(model, data, steps):
    """Makes a function that returns the time of an update under `fit`.

    Args:
        model: A compiled `keras.Model`.
        data: An endless `tf.data.Dataset` for it.
        steps: Int: updates that are timed.
    """
    times = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: times.append(time.perf_counter()),
        on_epoch_end=lambda *_: times.append(time.perf_counter()),
    )

    def measure():
        times.clear()
        model.fit(
            data,
            # The first one traces the step and fills the shuffling buffers.
            epochs=2,
            steps_per_epoch=steps,
            callbacks=[clock],
            verbose=0,
            shuffle=False,
        )
        return (times[3] - times[2]) / steps

    return measure
