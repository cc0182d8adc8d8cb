"""What is timed: networks, random images, and `fit` of a model on them."""

import functools
import time
import typing

import bare
import keras
import numpy as np
import sklearn.datasets
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel import losses, optimizers
from tf_pseudolabel.lab import networks
from tf_pseudolabel.lab.data import batches
from tf_pseudolabel.lab.data.examples import Examples

ROWS_U = 256
LEARNING_RATE = 0.1
# Of one image.
SPEC = tf.TensorSpec((28, 28, 1), tf.uint8)
PHOTOS = "MobileNetV3Small"
SPECS = {
    "conv": SPEC,
    "mlp": SPEC,
    "strided_conv": SPEC,
    "norm_conv": tf.TensorSpec((32, 32, 3), tf.uint8),
    PHOTOS: tf.TensorSpec((96, 96, 3), tf.uint8),
}


class Setting(typing.NamedTuple):
    """What is timed.

    Attributes:
        network: A name in `SPECS`.
        rows: Labeled rows of an update.
        teacher: `"inference"` or `"training"`.
        batch_norm: `"joint"`, one pass of both batches; or `"separate"`, two,
            which is what networks without batch normalization get by default.
        rows_u: Unlabeled rows of an update.
    """

    network: str
    rows: int
    teacher: str
    batch_norm: str = "joint"
    rows_u: int = ROWS_U

    def __str__(self):
        two = ", two passes" if self.batch_norm == "separate" else ""
        return f"{self.network} {self.rows}+{self.rows_u} {self.teacher}{two}"


SETTINGS = tuple(
    Setting(network, rows, teacher, batch_norm, rows_u)
    for network, rows, batch_norm, rows_u in (
        ("conv", 32, "joint", ROWS_U),
        ("conv", 64, "joint", ROWS_U),
        ("mlp", 32, "joint", ROWS_U),
        ("conv", 32, "separate", ROWS_U),
        (PHOTOS, 32, "joint", 64),
    )
    for teacher in ("inference", "training")
)


@functools.cache
def examples_of(network):
    """The same as a network takes them; of photos, 1000 are unlabeled."""
    x, y, x_u = examples()
    *size, channels = SPECS[network].shape
    if channels == 1:
        return x, y, x_u

    def photo(images):
        large = tf.image.resize(images[:1000], size)
        return np.repeat(large.numpy().astype(np.uint8), channels, axis=-1)

    return photo(x), y, photo(x_u)


@functools.cache
def examples():
    """Images and labels: 1000 labeled ones, 19,000 without.

    Scikit-learn's digits in the size and the frame of MNIST's: noise has no
    dark areas, and kernels do not all take the same time over those.
    """
    images, labels = sklearn.datasets.load_digits(return_X_y=True)
    images = tf.image.resize(images.reshape(-1, 8, 8, 1) * (255 / 16), (20, 20))
    images = np.pad(images, [(0, 0), (4, 4), (4, 4), (0, 0)]).astype(np.uint8)
    rows = np.random.default_rng(0).integers(len(images), size=20_000)
    images, labels = images[rows], labels[rows]
    return images[:1000], labels[:1000], images[1000:]


def labeled_stream(rows, network="conv"):
    """Batches of labeled images, without end."""
    x, y, _ = examples_of(network)
    labeled = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), 0)
    return labeled.repeat().batch(rows, drop_remainder=True)


def merged_stream(rows, network="conv", rows_u=ROWS_U):
    """The same, merged with batches of unlabeled images."""
    *_, x_u = examples_of(network)
    unlabeled = tf.data.Dataset.from_tensor_slices(x_u).shuffle(len(x_u), 0)
    return tpl.merge_streams(
        labeled_stream(rows, network),
        unlabeled.repeat().batch(rows_u, drop_remainder=True),
    )


def stream_of(setting):
    """The merged stream of a setting."""
    return merged_stream(setting.rows, setting.network, setting.rows_u)


def gathered_stream(rows):
    """The same images as `bin/train` makes batches of them: each at once."""
    x, y, x_u = examples()
    labeled, unlabeled = (
        Examples(images, labels, ids=np.arange(len(images)))
        for images, labels in ((x, y), (x_u, np.full(len(x_u), -1)))
    )
    return tpl.merge_streams(
        *(
            batches.passes(part, size, seed=0, first=0, across=True)
            for part, size in ((labeled, rows), (unlabeled, ROWS_U))
        )
    )


def parts(network, dropout=0.5):
    """Classifier, loss and optimizer, the same at every call."""
    keras.utils.set_random_seed(0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(LEARNING_RATE)
    options = {"dropout": dropout}
    if network == "conv":
        options["hidden_units"] = 150
    elif network == "mlp":
        options["hidden_units"] = 5000
        loss = losses.SummedBinaryCrossentropy(from_logits=True)
        optimizer = optimizers.ScheduledMomentum(LEARNING_RATE, momentum=0.5)
    classifier = networks.build(network, SPECS[network], 10, **options)
    return classifier, loss, optimizer


def bare_step(setting, dropout=0.5):
    """A classifier, and its update in a bare function."""
    classifier, loss, optimizer = parts(setting.network, dropout)
    optimizer.build(classifier.trainable_weights)
    step = bare.make_step(
        classifier,
        loss,
        optimizer,
        setting.teacher,
        batch_norm=setting.batch_norm,
    )
    return classifier, step


def pseudo_label_model(setting, alpha=1.0, dropout=0.5):
    """A compiled `PseudoLabelModel`."""
    classifier, loss, optimizer = parts(setting.network, dropout)
    model = tpl.PseudoLabelModel(
        classifier, teacher=setting.teacher, batch_norm=setting.batch_norm
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
