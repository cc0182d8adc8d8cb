import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.distribution import splitting


def _pairs(sizes):
    def pair(labeled, unlabeled):
        x = tf.range(labeled, dtype=tf.float32)
        return (x, x), 100 + tf.range(unlabeled, dtype=tf.float32)

    return tf.data.Dataset.from_tensor_slices(sizes).map(
        lambda size: pair(size[0], size[1])
    )


def _local(strategy, part):
    return [
        value.numpy().tolist()
        for value in strategy.experimental_local_results(part)
    ]


def test_both_parts_of_a_batch_are_shared_among_replicas(two_replicas):
    """The last batches are uneven; who has no row borrows the next one."""
    sizes = [[2, 6], [2, 5], [1, 1]]
    shares, own = [], []
    for (x, y), x_u, counts in splitting.split_across_replicas(
        _pairs(sizes), two_replicas
    ):
        shares.append([_local(two_replicas, part) for part in (x, x_u)])
        own.append([[_local(two_replicas, x) for x in part] for part in counts])
        np.testing.assert_array_equal(
            np.concatenate(y.values), np.concatenate(x.values)
        )

    assert shares == [
        [[[0], [1]], [[100, 101, 102], [103, 104, 105]]],
        [[[0], [1]], [[100, 101], [102, 103, 104]]],
        [[[0], [0]], [[100], [100]]],
    ]
    # How many of its rows are a replica's own, where they begin, and all.
    assert own == [
        [[[1, 1], [0, 1], [2, 2]], [[3, 3], [0, 3], [6, 6]]],
        [[[1, 1], [0, 1], [2, 2]], [[2, 3], [0, 2], [5, 5]]],
        [[[0, 1], [0, 0], [1, 1]], [[0, 1], [0, 0], [1, 1]]],
    ]


def test_a_part_without_rows_has_none_to_borrow(two_replicas):
    (((x, _), x_u, (rows, rows_u)),) = splitting.split_across_replicas(
        _pairs([[0, 4]]), two_replicas
    )

    assert _local(two_replicas, x) == [[], []]
    assert _local(two_replicas, x_u) == [[100, 101], [102, 103]]
    assert _local(two_replicas, rows[0]) == [0, 0]
    assert _local(two_replicas, rows_u[0]) == [2, 2]


def test_sizes_that_are_known_stay_known(two_replicas):
    """Then no row is ever borrowed, and XLA may compile for one shape."""
    labeled, unlabeled = (
        tf.data.Dataset.range(8).batch(size, drop_remainder=True)
        for size in (2, 4)
    )
    stream = tpl.merge_streams(labeled.map(lambda x: (x, x)), unlabeled)
    distributed = splitting.split_across_replicas(stream, two_replicas)
    (x, y), x_u = next(iter(distributed))

    assert [part.shape for part in x.values] == [(1,), (1,)]
    assert _local(two_replicas, y) == [[0], [1]]
    assert _local(two_replicas, x_u) == [[0, 1], [2, 3]]


@pytest.mark.parametrize("endless", [False, True])
def test_an_endless_stream_stays_endless(endless, two_replicas):
    stream = _pairs([[2, 4]])
    stream = stream.repeat() if endless else stream
    distributed = splitting.split_across_replicas(stream, two_replicas)

    infinite = distributed.cardinality == tf.data.INFINITE_CARDINALITY
    assert bool(infinite) is endless
