import numpy as np
import tensorflow as tf

from tests.contexts import WEIGHT, X_U, X, Y
from tf_pseudolabel.update.batch import (
    batches_of,
    count_rows,
    first_view,
    no_rows,
    unpack,
)
from tf_pseudolabel.views import Viewed

X_T, Y_T, X_U_T = map(tf.constant, (X, Y, X_U))


def test_elements_come_apart_as_in_keras():
    assert unpack(X_T) == (X_T, None, None)
    assert unpack((X_T,))[0] is X_T
    assert unpack((X_T, Y_T))[1] is Y_T
    assert unpack((X_T, Y_T, WEIGHT))[2] is WEIGHT


def test_views_are_no_labels():
    """A pair of views is a tuple, too."""
    viewed = Viewed(X_U_T, X_U_T)

    assert unpack(viewed)[0] is viewed
    assert unpack((viewed, Y_T))[:2] == (viewed, Y_T)
    assert first_view(viewed) is X_U_T
    assert first_view(X_U_T) is X_U_T


def test_specs_of_none_are_nothing():
    none = tf.data.Dataset.from_tensors((X, None)).element_spec[1]

    assert unpack((X_T, none)) == (X_T, None, None)


def test_both_batches():
    weight = tf.constant(WEIGHT)
    labeled, unlabeled, like, spare = batches_of(
        ((X_T, Y_T, weight), (X_U_T,)), True, True
    )

    assert labeled.x is labeled.student is X_T
    assert labeled.y is like is Y_T
    assert labeled.weight is weight
    assert (labeled.count, unlabeled.count) == (8, 12)
    assert unlabeled.student is unlabeled.x is X_U_T
    assert unlabeled.y is unlabeled.weight is unlabeled.index is None
    assert spare is None


def test_what_is_not_trained_on_is_none_and_the_form_stays():
    data = (X_T, Y_T), X_U_T

    assert batches_of(data, False, True)[0] is None
    assert batches_of(data, True, False)[1] is None
    assert batches_of(data, False, True)[2] is Y_T


def test_a_batch_that_is_known_to_be_empty_is_none():
    """Keras' loss of no rows is no number."""
    data = (X_T[:0], Y_T[:0]), X_U_T[:0]

    assert batches_of(data, True, True)[:2] == (None, None)


def test_views_and_numbers_of_rows():
    index = tf.range(12, dtype=tf.int64)
    viewed = Viewed(X_U_T, X_U_T + 1, index)
    _, unlabeled, *_ = batches_of(((X_T, Y_T), viewed), True, True)

    assert unlabeled.x is X_U_T
    assert unlabeled.student is viewed.strong
    assert unlabeled.index is index


def test_a_borrowed_row_is_in_no_batch():
    """It is kept apart, for the network to see."""
    own = tuple((tf.constant(n), 0, tf.constant(n)) for n in (0, 12))
    labeled, unlabeled, _, spare = batches_of(
        ((X_T[:1], Y_T[:1], tf.constant(WEIGHT)[:1]), (X_U_T,), own),
        True,
        True,
    )

    assert labeled.x.shape[0] == 0
    assert labeled.y.shape[0] == labeled.weight.shape[0] == 0
    assert (int(labeled.count), int(unlabeled.count)) == (0, 12)
    np.testing.assert_array_equal(spare, X[:1])


def test_rows_are_counted_where_they_are_known_and_where_not():
    assert count_rows({"a": X_T}) == 8
    counted = []

    @tf.function(input_signature=[tf.TensorSpec([None, 4])])
    def count(x):
        counted.append(count_rows(x))
        return counted[0]

    assert int(count(X_T)) == 8
    assert not isinstance(counted[0], int)


def test_no_rows():
    empty = no_rows(tf.TensorSpec([None, None, 3], tf.uint8))

    assert empty.shape == (0, 0, 3)
    assert empty.dtype == tf.uint8
    np.testing.assert_array_equal(no_rows(X_T), np.zeros((0, 4)))
