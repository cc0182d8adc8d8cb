"""`tf.distribute` for two streams: strategies, replica scaling, input split."""

import tensorflow as tf

STRATEGIES = {
    "default": tf.distribute.get_strategy,
    "mirrored": tf.distribute.MirroredStrategy,
}


def get_strategy(name):
    """Returns a `tf.distribute` strategy by name.

    Args:
        name: `"default"` (one device) or `"mirrored"` (every local GPU, or
            every logical CPU where there is no GPU).

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in STRATEGIES:
        raise ValueError(
            f"A strategy is one of {', '.join(STRATEGIES)}; got {name!r}."
        )
    return STRATEGIES[name]()


def unscale(loss):
    """Undoes the 1/replicas that every Keras loss carries, for logging.

    Keras losses divide by the number of replicas because gradients are summed
    across them. Whatever is differentiated keeps that factor; whatever is
    logged passes through here.

    Args:
        loss: Float tensor of any shape, as returned by a Keras loss.

    Returns:
        A tensor like `loss`: the mean over this replica's own rows.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return loss * tf.cast(replicas, loss.dtype)


def global_rows(*rows):
    """Sums row counts over the replicas.

    Args:
        *rows: Scalar int tensors: rows on this replica, to be called in it.

    Returns:
        A list of scalar int32 tensors: rows on all replicas.
    """
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return list(rows)
    replica = tf.distribute.get_replica_context()
    # Float, as integers may be kept on the host, apart from the replica.
    counts = tf.cast(tf.stack(rows), tf.float32)
    total = replica.all_reduce(tf.distribute.ReduceOp.SUM, counts)
    return tf.unstack(tf.cast(total, tf.int32))


def share(rows, all_rows):
    """What turns a mean over a replica's rows into its part of the whole mean.

    A Keras loss on a replica is the mean over its rows, divided by the number
    of replicas. Those sum to the mean over the global batch only where every
    replica has as many rows; times this factor they always do.

    Args:
        rows: Scalar int tensor: rows on this replica.
        all_rows: Scalar int tensor: rows on all replicas.

    Returns:
        A float32 scalar: replicas * rows / all_rows; 1 on a single replica.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if replicas == 1:
        return tf.constant(1.0)
    return tf.math.divide_no_nan(
        tf.cast(replicas * rows, tf.float32), tf.cast(all_rows, tf.float32)
    )


def split_across_replicas(stream, strategy):
    """Gives every replica its share of both parts of every merged batch.

    `strategy.experimental_distribute_dataset` rewrites the batch size inside
    the input pipeline, which presumes that there is one: two streams have two.
    Here each element is cut into `replicas` pieces along the rows, so that the
    labeled : unlabeled proportion holds on every replica.

    Args:
        stream: A `tf.data.Dataset` of merged batches; batch sizes are global.
        strategy: The strategy whose replicas share them.

    Returns:
        A `tf.distribute.DistributedDataset`.
    """
    replicas = strategy.num_replicas_in_sync

    def pieces(*element):
        def rows_of(index):
            return tf.nest.map_structure(
                lambda tensor: _piece(tensor, index, replicas), element
            )

        return tf.data.Dataset.range(replicas).map(rows_of)

    return strategy.distribute_datasets_from_function(
        lambda context: stream.flat_map(pieces).prefetch(replicas)
    )


def _piece(tensor, index, replicas):
    rows = tf.shape(tensor, out_type=tf.int64)[0]
    return tensor[rows * index // replicas : rows * (index + 1) // replicas]
