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
