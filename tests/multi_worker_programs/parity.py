"""Trains small models under a strategy and writes down all that came out."""

import gc
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

import tf_pseudolabel as tpl

CLASSES = 4
EPOCHS = 3
RNG = np.random.default_rng(0)
X, X_U = (RNG.normal(size=(n, 6)).astype("float32") for n in (24, 60))
Y, Y_U = (RNG.integers(CLASSES, size=n) for n in (24, 60))
ONE_HOT = np.eye(CLASSES, dtype="float32")
# Those of the second half of each batch of 12: all of one replica's.
ACCEPTED = (np.arange(60) % 12 >= 6).astype("float32") * RNG.uniform(size=60)
TOKENS, TOKENS_U = (RNG.integers(1, 8, size=(n, 5)) for n in (24, 60))
for tokens in (TOKENS, TOKENS_U):
    # Padding, very differently long from row to row.
    tokens[np.arange(5) >= 1 + np.arange(len(tokens))[:, None] % 12 // 2.4] = 0
TAGS = RNG.integers(CLASSES, size=(24, 5))


def _batches(*arrays, batch):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(batch)


def _dense():
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(16, "relu", kernel_regularizer="l2"),
            keras.layers.Dense(CLASSES),
        ]
    )


def _normalized():
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8),
            keras.layers.BatchNormalization(synchronized=True),
            keras.layers.Dense(CLASSES),
        ]
    )


def _tagger():
    return keras.Sequential(
        [
            keras.Input((5,), dtype="int64"),
            keras.layers.Embedding(8, 6, mask_zero=True),
            keras.layers.Dense(CLASSES),
        ]
    )


def _sparse(reduction="sum_over_batch_size"):
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction=reduction
    )


def merged(directory):
    """Class ids, a confusion matrix, and the last batches smaller."""
    return {
        "streams": tpl.merge_streams(
            _batches(X[:22], Y[:22], batch=6),
            _batches(X_U[:55], Y_U[:55], batch=12),
        ),
        "loss": _sparse(),
        "optimizer": keras.optimizers.SGD(0.1, momentum=0.9),
        "metrics": [
            "accuracy",
            keras.metrics.MeanIoU(CLASSES, sparse_y_pred=False, name="iou"),
        ],
        "validation": _batches(X_U[:31], Y_U[:31], batch=8),
        "callbacks": [
            keras.callbacks.TensorBoard(directory / "board"),
            keras.callbacks.ModelCheckpoint(directory / "best.keras"),
            keras.callbacks.EarlyStopping(patience=EPOCHS),
            keras.callbacks.ReduceLROnPlateau(patience=EPOCHS),
        ],
    }


def alternating(directory):
    """One-hot labels, Adam, a metric with a state per class."""
    return {
        "streams": tpl.alternate_streams(
            _batches(X, ONE_HOT[Y], batch=6),
            _batches(X_U, ONE_HOT[Y_U], batch=11),
            unlabeled_batches=3,
        ),
        "loss": keras.losses.CategoricalCrossentropy(from_logits=True),
        # The default epsilon makes 1e-8 of a gradient of 0 an update.
        "optimizer": keras.optimizers.Adam(0.01, epsilon=1e-3),
        "metrics": ["accuracy", keras.metrics.F1Score(average=None)],
    }


def fewer_rows_than_replicas(directory):
    """Labeled batches of one row; the last unlabeled batch is one, too."""
    return {
        "streams": tpl.merge_streams(
            _batches(X[:7], Y[:7], batch=1), _batches(X_U[:25], batch=4)
        ),
        "loss": _sparse(),
        "optimizer": keras.optimizers.SGD(0.05),
        "metrics": ["accuracy"],
        # The last batch of 9 rows leaves replicas without any.
        "validation": _batches(X_U[:9], Y_U[:9], batch=4),
    }


def weighted(directory):
    """A mean over accepted rows, which all lie on half of the replicas."""
    return {
        "streams": tpl.merge_streams(
            _batches(X, Y, batch=6), _batches(X_U, Y_U, ACCEPTED, batch=12)
        ),
        "loss": _sparse("mean_with_sample_weight"),
        "optimizer": keras.optimizers.SGD(0.1),
        "metrics": ["accuracy"],
    }


def summed(directory):
    """A loss that is no mean."""
    return {
        "streams": tpl.merge_streams(
            _batches(X, Y, batch=5), _batches(X_U, Y_U, ACCEPTED, batch=12)
        ),
        "loss": _sparse("sum"),
        "optimizer": keras.optimizers.SGD(0.01),
        "metrics": ["accuracy"],
    }


def masked(directory):
    """Labels per token; the mask of the embedding says which count."""
    return {
        "classifier": _tagger,
        "streams": tpl.merge_streams(
            _batches(TOKENS, TAGS, batch=6), _batches(TOKENS_U, batch=12)
        ),
        "loss": _sparse(),
        "optimizer": keras.optimizers.SGD(0.1),
        "metrics": ["accuracy"],
    }


def composed(directory):
    """Parts with a state, and batch normalization over all replicas."""
    return {
        "classifier": _normalized,
        "choices": {
            "teacher": "lagged",
            "selection": tpl.Threshold(0.4, mean="accepted"),
            "terms": [tpl.ClassPrior(0.5), tpl.MinimumEntropy(0.2)],
        },
        "streams": tpl.merge_streams(
            _batches(X, Y, batch=6),
            # -1: not known.
            _batches(X_U, Y_U - 1, ACCEPTED[:, None], batch=12),
        ),
        "loss": _sparse(),
        "optimizer": keras.optimizers.SGD(0.1),
        "metrics": ["accuracy"],
    }


def adaptive(directory):
    """FreeMatch: random views, averages over all rows, averaged weights."""
    views = tpl.views.table(X_U, share=0.5, weak_share=0.1, seed=3)
    preset = tpl.presets.freematch(views=views)
    return {
        "choices": preset.model | {"average": tpl.Averaged(0.9)},
        "streams": tpl.merge_streams(
            _batches(X[:22], Y[:22], batch=6), _batches(X_U[:55], batch=12)
        ),
        "loss": _sparse(),
        "optimizer": keras.optimizers.SGD(0.1),
        "metrics": ["accuracy"],
        "validation": _batches(X_U[:31], Y_U[:31], batch=8),
    }


def remembering(directory):
    """FlexMatch's memory of rows, aligned; an averaged teacher."""
    numbered = tf.data.Dataset.from_tensor_slices(X_U).enumerate().batch(12)
    return {
        "choices": {
            "teacher": tpl.Averaged(0.9),
            "alignment": tpl.RelativeAlignment(),
            "selection": tpl.Curriculum(0.4, rows=len(X_U)),
        },
        "streams": tpl.merge_streams(
            _batches(X, Y, batch=6),
            numbered.map(lambda i, x: tpl.views.Viewed(x, index=i)),
        ),
        "loss": _sparse(),
        "optimizer": keras.optimizers.SGD(0.1),
        "metrics": ["accuracy"],
    }


CASES = [
    merged,
    alternating,
    fewer_rows_than_replicas,
    weighted,
    summed,
    masked,
    composed,
    adaptive,
    remembering,
]


def run(case, strategy, directory):
    """Returns all that training, evaluation and prediction give: arrays."""
    keras.utils.set_random_seed(0)
    with strategy.scope():
        parts = case(directory)
        model = tpl.PseudoLabelModel(
            parts.get("classifier", _dense)(), **parts.get("choices", {})
        )
        model.compile(
            parts["optimizer"], parts["loss"], metrics=parts["metrics"]
        )
    validation = parts.get("validation")
    logs = model.fit(
        parts["streams"],
        epochs=EPOCHS,
        verbose=0,
        validation_data=validation,
        callbacks=[
            tpl.AlphaScheduler(tpl.LinearRamp(0, 2, 1.0)),
            keras.callbacks.BackupAndRestore(directory / case.__name__),
            *parts.get("callbacks", ()),
        ],
    ).history
    found = {f"history {name}": values for name, values in logs.items()}
    if validation is not None:
        logs = model.evaluate(validation, verbose=0, return_dict=True)
        found |= {f"evaluate {name}": value for name, value in logs.items()}
        found["predict"] = model.predict(X_U[:31], batch_size=8, verbose=0)
    for kind, variables in (
        ("weight", model.weights),
        ("optimizer", model.optimizer.variables),
    ):
        for index, variable in enumerate(variables):
            found[f"{kind} {index}"] = variable.numpy()
    return {name: np.asarray(value) for name, value in found.items()}


def several_cpus_per_worker(count):
    """Makes logical CPUs replicas.

    MultiWorkerMirroredStrategy has one replica per GPU, and a single one on a
    machine without GPUs.
    """
    from tensorflow.python.distribute import collective_all_reduce_strategy

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * count,
    )
    extended = collective_all_reduce_strategy.CollectiveAllReduceExtended
    extended._initialize_local_devices = lambda self, resolver, machine: (
        [f"{machine}/device:CPU:{index}" for index in range(count)],
        "CPU",
    )


def main(directory, replicas_per_worker):
    directory = pathlib.Path(directory)
    if int(replicas_per_worker) > 1:
        several_cpus_per_worker(int(replicas_per_worker))
    strategy = tpl.get_strategy("multi_worker")
    for case in CASES:
        np.savez(
            directory / f"{case.__name__}.npz",
            replicas=strategy.num_replicas_in_sync,
            **run(case, strategy, directory),
        )
        # Several models freed at once can keep TensorFlow busy for 10 s.
        gc.collect()


if __name__ == "__main__":
    main(*sys.argv[1:])
