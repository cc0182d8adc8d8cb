"""The input of replicas: both parts of every batch, cut into one piece each."""

import tensorflow as tf

from tf_pseudolabel import compat

_POLICY = tf.data.experimental.AutoShardPolicy


def split_across_replicas(stream, strategy, on_shard=lambda shard: None):
    """Gives every replica its share of both parts of every merged batch.

    `strategy.experimental_distribute_dataset` rewrites the batch size inside
    the input pipeline, which presumes that there is one: two streams have two.
    Here each element is cut into `replicas` pieces along the rows, so that the
    labeled : unlabeled proportion holds on every replica. Where a part has
    fewer rows than there are replicas, those without borrow one, so that no
    layer sees an empty batch, and are told that none of it is theirs.

    On several machines, the stream's `auto_shard_policy` (`tf.data.Options`)
    says what each one reads. By default, and with `DATA`: everything, of which
    it trains on its own pieces, so that the updates are those of one machine.
    With `FILE`: every n-th input file of both streams. With `OFF`: the stream
    is this machine's own already. Then all pieces are trained on, in turn.

    Args:
        stream: A `tf.data.Dataset` of merged batches; batch sizes are global.
        strategy: The strategy whose replicas share them.
        on_shard: Called, where a worker reads its own files, with a function
            that makes its part of a dataset: for datasets that `stream` draws
            from inside of a function, where no rewriting reaches them.

    Returns:
        A `tf.distribute.DistributedDataset` of `(labeled, unlabeled)` or, where
        batch sizes are open, `(labeled, unlabeled, (rows, rows_u))`: of each
        part the number of rows that are the replica's own, the place of the
        first one in the global batch, and how many rows that has.
    """
    count = strategy.num_replicas_in_sync
    policy = stream.options().experimental_distribute.auto_shard_policy

    def of_worker(context):
        local = count // context.num_input_pipelines
        mine = range(count)
        if policy == _POLICY.FILE:
            own = compat.every_nth_file(stream, context)
            on_shard(lambda part: compat.every_nth_file(part, context))
        elif policy == _POLICY.OFF:
            own = stream
        else:
            first = local * context.input_pipeline_id
            own, mine = stream, range(first, first + local)

        @tf.autograph.experimental.do_not_convert
        def pieces(labeled, unlabeled):
            indices = tf.data.Dataset.range(mine.start, mine.stop)

            @tf.autograph.experimental.do_not_convert
            def piece(index):
                return _element(labeled, unlabeled, index, count)

            return indices.map(piece)

        split = own.flat_map(pieces)
        if stream.cardinality() == tf.data.INFINITE_CARDINALITY:
            split = split.apply(
                tf.data.experimental.assert_cardinality(
                    tf.data.INFINITE_CARDINALITY
                )
            )
        return split.prefetch(local)

    return strategy.distribute_datasets_from_function(of_worker)


def _element(labeled, unlabeled, index, count):
    """A replica's piece of an element."""
    pieces = tf.nest.map_structure(
        lambda tensor: _piece(tensor, index, count), (labeled, unlabeled)
    )
    if all(_divides(tensor) for tensor in tf.nest.flatten(pieces)):
        return pieces
    return *pieces, (_own(labeled, index, count), _own(unlabeled, index, count))


def _own(part, index, count):
    """A replica's rows of a part, where they begin, and all of them."""
    first = tf.nest.flatten(part)[0]
    begin, end = _bounds(first, index, count)
    return end - begin, begin, tf.shape(first, out_type=tf.int64)[0]


def _divides(piece):
    return piece.shape[0] is not None


def _bounds(tensor, index, count):
    rows = tf.shape(tensor, out_type=tf.int64)[0]
    return rows * index // count, rows * (index + 1) // count


def _piece(tensor, index, count):
    begin, end = _bounds(tensor, index, count)
    # Without rows of its own a replica borrows the one that comes next.
    piece = tensor[begin : tf.maximum(end, begin + 1)]
    if tensor.shape[0] is not None and tensor.shape[0] % count == 0:
        # TPUs compile for shapes that are known.
        piece.set_shape([tensor.shape[0] // count, *tensor.shape[1:]])
    return piece
