import keras
import numpy as np
import tensorflow as tf

from tf_pseudolabel import distribute


def test_unscale_undoes_what_keras_scales(two_replicas):
    loss = keras.losses.MeanSquaredError()

    def scaled_and_unscaled():
        value = loss(tf.zeros([4, 1]), 3.0 * tf.ones([4, 1]))
        return value, distribute.unscale(value)

    scaled, unscaled = tf.function(two_replicas.run)(scaled_and_unscaled)

    assert [float(v) for v in scaled.values] == [4.5, 4.5]
    assert [float(v) for v in unscaled.values] == [9.0, 9.0]
    assert float(distribute.unscale(tf.constant(9.0))) == 9.0


def _pairs(sizes):
    def pair(labeled, unlabeled):
        x = tf.range(labeled, dtype=tf.float32)
        return (x, x), 100 + tf.range(unlabeled, dtype=tf.float32)

    return tf.data.Dataset.from_tensor_slices(sizes).map(
        lambda size: pair(size[0], size[1])
    )


def test_both_parts_of_a_batch_are_shared_among_replicas(two_replicas):
    # The last batches are uneven, or lack a part.
    sizes = [[2, 6], [2, 5], [0, 4], [1, 0]]
    distributed = distribute.split_across_replicas(_pairs(sizes), two_replicas)
    shares = []
    for (x, y), x_u in distributed:
        shares.append(
            [
                [
                    v.numpy().tolist()
                    for v in two_replicas.experimental_local_results(part)
                ]
                for part in (x, x_u)
            ]
        )
        np.testing.assert_array_equal(
            np.concatenate(y.values), np.concatenate(x.values)
        )

    assert shares == [
        [[[0], [1]], [[100, 101, 102], [103, 104, 105]]],
        [[[0], [1]], [[100, 101], [102, 103, 104]]],
        [[[], []], [[100, 101], [102, 103]]],
        [[[], [0]], [[], []]],
    ]
