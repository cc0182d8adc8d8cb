"""Trains with BackupAndRestore; a worker may stand still in an epoch."""

import json
import pathlib
import sys
import time

import keras
import numpy as np
import tensorflow as tf

import tf_pseudolabel as tpl

EPOCHS = 4
RNG = np.random.default_rng(0)
X, X_U = (RNG.normal(size=(n, 4)).astype("float32") for n in (12, 36))


class Recorder(keras.callbacks.Callback):
    """Writes down the epochs; stands still before one's second update."""

    def __init__(self, directory, last_epoch):
        super().__init__()
        self._directory = directory
        self._last_epoch = last_epoch
        self._epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self._epochs.append(epoch)
        (self._directory / "epochs.json").write_text(json.dumps(self._epochs))

    def on_train_batch_begin(self, batch, logs=None):
        if self._epochs[-1] == self._last_epoch and batch == 1:
            (self._directory / "stands still").touch()
            time.sleep(3600)


def train(strategy, directory, last_epoch=None):
    """Returns the weights, and the optimizer's, after all epochs."""
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = tpl.PseudoLabelModel(
            keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        )
        model.compile(
            keras.optimizers.Adam(0.05),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
    model.fit(
        tpl.merge_streams(
            tf.data.Dataset.from_tensor_slices((X, np.arange(12) % 3)).batch(4),
            tf.data.Dataset.from_tensor_slices(X_U).batch(8),
        ),
        epochs=EPOCHS,
        verbose=0,
        callbacks=[
            tpl.AlphaScheduler(tpl.LinearRamp(0, 3, 1.0)),
            keras.callbacks.BackupAndRestore(directory / "backup"),
            Recorder(directory, last_epoch),
        ],
    )
    return [v.numpy() for v in (*model.weights, *model.optimizer.variables)]


def main(directory, last_epoch=None, worker=None):
    directory = pathlib.Path(directory)
    strategy = tpl.get_strategy("multi_worker")
    stands_still = str(strategy.cluster_resolver.task_id) == worker
    weights = train(
        strategy, directory, int(last_epoch) if stands_still else None
    )
    np.savez(directory / "weights.npz", *weights)


if __name__ == "__main__":
    main(*sys.argv[1:])
