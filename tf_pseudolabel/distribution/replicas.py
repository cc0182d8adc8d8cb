"""`tf.distribute` for two streams: replica scaling, input split."""

import functools

import tensorflow as tf

_AUTO_SHARD = tf.data.experimental.AutoShardPolicy


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


def averaged_over(loss, scores, sample_weight=None, accepted=None):
    """How much a Keras loss averages over: what its mean divides by.

    Args:
        loss: A `keras.losses.Loss`.
        scores: The batch of scores that the loss was called on.
        sample_weight: Its sample weights, or None.
        accepted: 1 for the values to be counted, else 0; None counts all.

    Returns:
        A float32 scalar: the number of values, of unmasked ones, or the sum of
        the weights, as the loss's `reduction` has it; 1 if it is a sum.
    """
    if loss.reduction == "sum":
        return tf.constant(1.0)
    weights = tf.ones(tf.shape(scores)[:-1])
    mask = getattr(scores, "_keras_mask", None)
    if mask is not None:
        weights = tf.cast(mask, tf.float32)
    factors = [accepted]
    if loss.reduction == "mean_with_sample_weight":
        factors.append(sample_weight)
    for factor in factors:
        if factor is not None:
            factor = tf.cast(factor, tf.float32)
            while len(factor.shape) < len(weights.shape):
                factor = factor[..., tf.newaxis]
            weights = weights * factor
    return tf.reduce_sum(weights)


def sum_over_replicas(values):
    """Adds values up over the replicas; to be called in each of them.

    Args:
        values: Nested tensors of known shapes, or numbers, of this replica.

    Returns:
        The same structure of float32 tensors, alike on every replica.
    """
    # Float, as integers may be kept on the host, apart from the replica.
    parts = [tf.cast(part, tf.float32) for part in tf.nest.flatten(values)]
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        replica = tf.distribute.get_replica_context()
        # One collective for all of them.
        flat = tf.concat([tf.reshape(part, [-1]) for part in parts], axis=0)
        flat = replica.all_reduce(tf.distribute.ReduceOp.SUM, flat)
        sizes = [part.shape.num_elements() for part in parts]
        parts = [
            tf.reshape(summed, part.shape)
            for summed, part in zip(tf.split(flat, sizes), parts, strict=True)
        ]
    return tf.nest.pack_sequence_as(values, parts)


def mean_over_replicas(own, whole, count):
    """A mean over the global batch whose gradient is that of this replica.

    For a loss that is divided by the number of replicas, as Keras losses are:
    the gradients of all replicas, summed, are then those of the whole mean,
    also where the loss is not linear in it.

    Args:
        own: Float tensor `(k,)`: sums over this replica's rows.
        whole: Float tensor `(k,)`: `own`, summed over all replicas.
        count: Float scalar: rows on all replicas.

    Returns:
        A float tensor `(k,)`.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    differentiable = replicas * (own - tf.stop_gradient(own))
    # On a single replica `whole` is `own` itself, and would count twice.
    whole = tf.stop_gradient(whole)
    return tf.math.divide_no_nan(whole + differentiable, count)


def share(size, whole):
    """What turns a replica's mean loss into its part of the whole mean.

    A Keras loss on a replica is the mean over its own rows, divided by the
    number of replicas. Those sum to the mean over the global batch only where
    every replica averages over as much; times this factor they always do.

    Args:
        size: Float32 scalar: `averaged_over` on this replica.
        whole: Float32 scalar: its sum over all replicas.

    Returns:
        A float32 scalar: replicas * size / whole; 1 on a single replica.
    """
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if replicas == 1:
        return tf.constant(1.0)
    return tf.where(
        whole > 0, tf.math.divide_no_nan(replicas * size, whole), 1.0
    )


def after_its_data(step):
    """Makes a step of a model wait for its batch.

    Keras draws the batch inside the function that it traces. Where a dataset
    ends, the drawing fails beside the step and not before it: what needs no
    data, such as the optimizer's count of updates, would be done once more.

    Args:
        step: A method `(self, data) -> logs`.

    Returns:
        The same method, every operation of which depends on the data.
    """

    @functools.wraps(step)
    def waiting(self, data):
        # None stands for labels or weights that there are not.
        parts = [part for part in tf.nest.flatten(data) if part is not None]
        with tf.control_dependencies(parts):
            return step(self, data)

    return waiting


def split_across_replicas(stream, strategy):
    """Gives every replica its share of both parts of every merged batch.

    `strategy.experimental_distribute_dataset` rewrites the batch size inside
    the input pipeline, which presumes that there is one: two streams have two.
    Here each element is cut into `replicas` pieces along the rows, so that the
    labeled : unlabeled proportion holds on every replica.

    On several machines, the stream's `auto_shard_policy` (`tf.data.Options`)
    says what each one reads. By default, and with `DATA`: everything, of which
    it trains on its own pieces, so that the updates are those of one machine.
    With `FILE`: every n-th input file of both streams. With `OFF`: the stream
    is this machine's own already. Then all pieces are trained on, in turn.

    Args:
        stream: A `tf.data.Dataset` of merged batches; batch sizes are global.
        strategy: The strategy whose replicas share them.

    Returns:
        A `tf.distribute.DistributedDataset`.
    """
    replicas = strategy.num_replicas_in_sync
    policy = stream.options().experimental_distribute.auto_shard_policy

    def of_worker(context):
        local = replicas // context.num_input_pipelines
        mine = range(replicas)
        if policy == _AUTO_SHARD.FILE:
            own = _every_nth_file(stream, context)
        elif policy == _AUTO_SHARD.OFF:
            own = stream
        else:
            first = local * context.input_pipeline_id
            own, mine = stream, range(first, first + local)

        def pieces(*element):
            def rows_of(index):
                return tf.nest.map_structure(
                    lambda tensor: _piece(tensor, index, replicas), element
                )

            return tf.data.Dataset.range(mine.start, mine.stop).map(rows_of)

        split = own.flat_map(pieces)
        if stream.cardinality() == tf.data.INFINITE_CARDINALITY:
            split = split.apply(
                tf.data.experimental.assert_cardinality(
                    tf.data.INFINITE_CARDINALITY
                )
            )
        return split.prefetch(local)

    return strategy.distribute_datasets_from_function(of_worker)


def _every_nth_file(stream, context):
    """The rewriting of the pipeline that TensorFlow itself does."""
    return tf.data.experimental.from_variant(
        tf.raw_ops.AutoShardDataset(
            input_dataset=tf.data.experimental.to_variant(stream),
            num_workers=context.num_input_pipelines,
            index=context.input_pipeline_id,
            auto_shard_policy=_AUTO_SHARD.FILE.value,
            num_replicas=context.num_replicas_in_sync,
            output_types=[
                spec.dtype for spec in tf.nest.flatten(stream.element_spec)
            ],
            output_shapes=[
                spec.shape for spec in tf.nest.flatten(stream.element_spec)
            ],
        ),
        stream.element_spec,
    )


def _piece(tensor, index, replicas):
    rows = tf.shape(tensor, out_type=tf.int64)[0]
    piece = tensor[rows * index // replicas : rows * (index + 1) // replicas]
    if tensor.shape[0] is not None and tensor.shape[0] % replicas == 0:
        # TPUs compile for shapes that are known.
        piece.set_shape([tensor.shape[0] // replicas, *tensor.shape[1:]])
    return piece


def local_values(strategy, variables):
    """Reads what every replica has in variables that are summed when read.

    Args:
        strategy: A `tf.distribute.Strategy`. All its workers must ask.
        variables: List of `tf.Variable`s.

    Returns:
        A list of tensors `(replicas, ...)`.
    """
    values = strategy.run(
        lambda: [tf.identity(variable)[tf.newaxis] for variable in variables]
    )
    return [strategy.gather(value, axis=0) for value in values]


def assign_local_values(strategy, variables, values):
    """Gives every replica back what `local_values` read.

    Args:
        strategy: A `tf.distribute.Strategy`.
        variables: List of `tf.Variable`s.
        values: List of tensors `(replicas, ...)`.
    """

    def assign():
        replica = tf.distribute.get_replica_context()
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value[replica.replica_id_in_sync_group])

    strategy.run(assign)
