"""What replicas share: sums and means over the global batch."""

import functools

import tensorflow as tf


def count():
    """Returns how many replicas train in step: 1 without a strategy."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def sum_over_replicas(values):
    """Adds values up over the replicas; to be called in each of them.

    Args:
        values: Nested tensors of known shapes, or numbers, of this replica.

    Returns:
        The same structure of float32 tensors, alike on every replica.
    """
    # Float, as integers may be kept on the host, apart from the replica.
    parts = [tf.cast(part, tf.float32) for part in tf.nest.flatten(values)]
    if count() > 1:
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


def gathered(*tensors):
    """Puts the rows of all replicas together; to be called in each of them.

    Args:
        *tensors: `(rows, ...)` of this replica.

    Returns:
        A list of the same, `(rows of all, ...)`, alike on every replica.
    """
    if count() == 1:
        return list(tensors)
    replica = tf.distribute.get_replica_context()
    return [replica.all_gather(tensor, axis=0) for tensor in tensors]


def mean_over_replicas(own, whole, size):
    """A mean over the global batch whose gradient is that of this replica.

    For a loss that is divided by the number of replicas, as Keras losses are:
    the gradients of all replicas, summed, are then those of the whole mean,
    also where the loss is not linear in it.

    Args:
        own: Float tensor `(k,)`: sums over this replica's rows.
        whole: Float tensor `(k,)`: `own`, summed over all replicas.
        size: Float scalar: what the mean divides by, over all replicas.

    Returns:
        A float tensor `(k,)`.
    """
    replicas = count()
    differentiable = replicas * (own - tf.stop_gradient(own))
    # On a single replica `whole` is `own` itself, and would count twice.
    whole = tf.stop_gradient(whole)
    return tf.math.divide_no_nan(whole + differentiable, size)


def share(size, whole):
    """What turns a replica's mean loss into its part of the whole mean.

    A Keras loss on a replica is the mean over its own rows, divided by the
    number of replicas. Those sum to the mean over the global batch only where
    every replica averages over as much; times this factor they always do.

    Args:
        size: Float32 scalar: what the mean on this replica divides by.
        whole: Float32 scalar: its sum over all replicas.

    Returns:
        A float32 scalar: replicas * size / whole; 1 on a single replica.
    """
    replicas = count()
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
