import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel import targets

SCORES = tf.constant([[0.1, 0.7, 0.2], [3.0, -1.0, 3.0], [-5.0, -4.0, -3.0]])
BEST = [1, 0, 2]  # A tie goes to the lowest class.


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((8,), True), ((8, 1), True), ((8, 3), False)],
)
def test_class_ids_or_one_value_per_class(shape, expected):
    assert (
        targets.holds_class_ids(tf.zeros(shape), tf.zeros((8, 3))) is expected
    )


def test_hard_class_ids():
    for dtype in (tf.int64, tf.uint8, tf.float32):
        labels = targets.hard(SCORES, like=tf.zeros([5], dtype))

        assert labels.dtype == dtype
        np.testing.assert_array_equal(labels, BEST)


def test_hard_class_ids_in_a_column():
    labels = targets.hard(SCORES, like=tf.zeros([5, 1], tf.int32))

    np.testing.assert_array_equal(labels, [[1], [0], [2]])


def test_hard_one_hot():
    labels = targets.hard(SCORES, like=tf.zeros([5, 3]))

    assert labels.dtype == tf.float32
    np.testing.assert_array_equal(labels, np.eye(3)[BEST])


def test_hard_per_pixel():
    scores = tf.reshape(tf.eye(4), [1, 2, 2, 4])
    labels = targets.hard(scores, like=tf.zeros([1, 2, 2], tf.int32))

    np.testing.assert_array_equal(labels, [[[0, 1], [2, 3]]])


def test_no_gradient_flows_through_hard_targets():
    scores = tf.Variable(SCORES)
    with tf.GradientTape() as tape:
        labels = targets.hard(scores, like=tf.zeros([5, 3]))

    assert tape.gradient(labels, scores) is None


@pytest.mark.parametrize(
    "labels", [[2, 0], [[2], [0]], [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]]
)
def test_class_ids_of_either_kind(labels):
    ids = targets.class_ids(tf.constant(labels), tf.zeros([2, 3]))

    assert ids.dtype == tf.int64
    np.testing.assert_array_equal(ids, [2, 0])
