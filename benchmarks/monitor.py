"""What watching the pseudo-labels adds to an epoch.

    .venv/bin/python benchmarks/monitor.py

Trains the networks of the recipes `digits_conv` and `mnist_conv_joint` on
images of their sizes: without statistics of the pseudo-labels, with them (what
every `fit` gathers), and with `PseudoLabelMonitor` besides. The three take
turns epoch by epoch in one process, so that a busy machine is busy for all;
the medians of the ratios of neighboring epochs are printed.
"""

import argparse
import os
import statistics
import time
import warnings

SIZES = {
    # name: (side, labeled rows, unlabeled rows, labeled, unlabeled batch)
    "digits_conv": (8, 50, 1047, 24, 128),
    "mnist_conv_joint": (28, 1000, 19_000, 64, 256),
}


def main():
    """Prints a line per recipe."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Random images collapse; that is not what is looked at here.
    warnings.simplefilter("ignore")
    for name in SIZES:
        times = measure(name, repeats)
        bare, gathered, watched = times
        seconds = statistics.median(bare)
        print(
            f"{name}: an epoch of {1000 * seconds:.0f} ms; statistics add "
            f"{_added(gathered, bare):+.1%}, with the monitor "
            f"{_added(watched, bare):+.1%}"
        )


def measure(name, repeats):
    """Times epochs of three models in turn.

    Args:
        name: A key of `SIZES`.
        repeats: Epochs that are timed, per model.

    Returns:
        A list of three lists of seconds: without statistics, with them, with
        the monitor, too.
    """
    import tf_pseudolabel as tpl

    streams, probe = _streams(*SIZES[name])
    side = SIZES[name][0]
    models = [_model(side), _model(side), _model(side)]
    models[0].statistics.update = lambda context: None
    callbacks = [[], [], [tpl.PseudoLabelMonitor(probe)]]
    times = [[], [], []]
    for epoch in range(repeats + 2):
        for model, own, found in zip(models, callbacks, times, strict=True):
            begin, end = _clock(found)
            model.fit(
                streams,
                initial_epoch=epoch,
                epochs=epoch + 1,
                verbose=0,
                callbacks=[begin, *own, end],
            )
    return [found[2:] for found in times]  # The first ones trace the step.


def _clock(found):
    """The first and the last callback: what lies between them is timed."""
    import keras

    marks = []

    def end(*_):
        found.append(time.perf_counter() - marks.pop())

    return (
        keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda *_: marks.append(time.perf_counter())
        ),
        keras.callbacks.LambdaCallback(on_epoch_end=end),
    )


def _streams(side, rows, rows_u, batch, batch_u):
    import numpy as np
    import tensorflow as tf

    import tf_pseudolabel as tpl

    random = np.random.default_rng(0)

    def stream(count, size):
        images = random.integers(0, 255, (count, side, side, 1), np.uint8)
        labels = random.integers(10, size=count)
        data = tf.data.Dataset.from_tensor_slices((images, labels)).cache()
        return data.batch(size).prefetch(2), images

    labeled, _ = stream(rows, batch)
    unlabeled, images = stream(rows_u, batch_u)
    return tpl.merge_streams(labeled, unlabeled), images[
        : min(256, rows_u // 8)
    ]


def _model(side):
    import keras
    import tensorflow as tf

    import tf_pseudolabel as tpl
    from tf_pseudolabel.lab import networks

    classifier = networks.build(
        "conv",
        tf.TensorSpec((side, side, 1), tf.uint8),
        10,
        hidden_units=150,
        dropout=0.5,
    )
    model = tpl.PseudoLabelModel(classifier)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.001), loss, metrics=["accuracy"])
    model.alpha.assign(1.0)
    return model


def _added(times, bare):
    ratios = [a / b for a, b in zip(times, bare, strict=True)]
    return statistics.median(ratios) - 1


if __name__ == "__main__":
    main()
