"""Trains on files and on a tf.data service; writes down which rows, where.

An input is the one-hot of a row's number and the kernel begins at 0, so that
the kernel tells of every row how often it was trained on.
"""

import functools
import gc
import json
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.distribution import splitting
from tf_pseudolabel.streams import merging

ROWS = 64
CLASSES = 2
ALPHA = 0.5
LABELED_BATCH, UNLABELED_BATCH = 2, 4
POLICIES = tf.data.experimental.AutoShardPolicy


def rows_of(files):
    """Returns the numbers of the rows in TFRecord files, as a dataset."""
    return tf.data.TFRecordDataset(
        tf.data.Dataset.from_tensor_slices(files)
    ).map(lambda record: tf.strings.to_number(record, tf.int64))


def of_rows(labeled, unlabeled, policy=None):
    """Makes two datasets of row numbers a merged stream."""
    labeled = labeled.map(lambda row: (tf.one_hot(row, ROWS), row % CLASSES))
    unlabeled = unlabeled.map(lambda row: tf.one_hot(row, ROWS))
    merged = tpl.merge_streams(
        labeled.batch(LABELED_BATCH), unlabeled.batch(UNLABELED_BATCH)
    )
    if policy is None:
        return merged
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = policy
    return merged.with_options(options)


def trained(strategy, stream):
    """Returns the kernel of a linear classifier after one epoch."""
    with strategy.scope():
        classifier = keras.Sequential(
            [
                keras.Input((ROWS,)),
                keras.layers.Dense(
                    CLASSES, use_bias=False, kernel_initializer="zeros"
                ),
            ]
        )
        model = tpl.PseudoLabelModel(classifier)
        model.compile(
            keras.optimizers.SGD(1.0),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        model.alpha.assign(ALPHA)
    model.fit(stream, verbose=0)
    return classifier.get_weights()[0]


def rows_seen(strategy, distributed):
    """Returns this worker's rows, labeled and unlabeled, batch by batch."""

    def rows(part, own):
        values, own = map(strategy.experimental_local_results, (part, own))
        parts = [value[:n] for value, n in zip(values, own, strict=True)]
        return np.argmax(np.concatenate(parts), axis=-1).tolist()

    # Who has no row of its own borrows one: not seen.
    return [
        [rows(x, own[0]), rows(x_u, own_u[0])]
        for (x, _), x_u, (own, own_u) in distributed
    ]


def main(directory, records, service):
    directory = pathlib.Path(directory)
    strategy = tpl.get_strategy("multi_worker")
    mine = strategy.cluster_resolver.task_id
    service_options = tf.data.experimental.service
    seen, kernels = {}, {}

    def named(kind):
        return sorted(map(str, pathlib.Path(records).glob(f"{kind}-*")))

    labeled, unlabeled, unequal, own = map(
        rows_of,
        (
            named("labeled"),
            named("unlabeled"),
            named("unequal"),
            named("unlabeled")[mine::2],
        ),
    )
    for name, stream in (
        ("DATA", of_rows(labeled, unlabeled)),
        ("FILE", of_rows(labeled, unlabeled, POLICIES.FILE)),
        ("unequal", of_rows(labeled, unequal, POLICIES.FILE)),
        ("OFF", of_rows(labeled, own, POLICIES.OFF)),
    ):
        distributed = splitting.split_across_replicas(
            stream, strategy, functools.partial(merging.shard_repeated, stream)
        )
        seen[name] = rows_seen(strategy, distributed)
        kernels[name] = trained(strategy, stream)
        # Several models freed at once can keep TensorFlow busy for 10 s.
        gc.collect()

    served = unlabeled.apply(
        service_options.distribute(
            processing_mode=service_options.ShardingPolicy.DYNAMIC,
            service=service,
            # The name makes the workers share one pass over the data.
            job_name="unlabeled",
        )
    )
    stream = of_rows(labeled, served, POLICIES.OFF)
    distributed = splitting.split_across_replicas(stream, strategy)
    for epoch in range(2):
        seen[f"service {epoch}"] = rows_seen(strategy, distributed)
    kernels["service"] = trained(strategy, stream)

    (directory / "seen.json").write_text(json.dumps(seen))
    np.savez(directory / "kernels.npz", **kernels)


if __name__ == "__main__":
    main(*sys.argv[1:])
