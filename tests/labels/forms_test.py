import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.labels import forms

SCORES = tf.zeros([2, 3])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((8,), True), ((8, 1), True), ((8, 3), False)],
)
def test_class_ids_or_one_value_per_class(shape, expected):
    assert forms.holds_class_ids(tf.zeros(shape), tf.zeros((8, 3))) is expected


def test_one_class_has_one_value_per_class():
    """As Keras takes `metrics=["accuracy"]` for binary accuracy there."""
    assert not forms.holds_class_ids(tf.zeros((8, 1)), tf.zeros((8, 1)))


def test_the_form_is_told_from_specs():
    scores = keras.KerasTensor((None, 5, 3))

    assert forms.holds_class_ids(tf.TensorSpec([None, 5]), scores)
    assert not forms.holds_class_ids(keras.KerasTensor((None, 5, 3)), scores)


@pytest.mark.parametrize(
    "labels", [[2, 0], [[2], [0]], [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]]
)
@pytest.mark.parametrize("dtype", [tf.uint8, tf.int32, tf.float32])
def test_class_ids_of_either_kind(labels, dtype):
    ids = forms.class_ids(tf.cast(labels, dtype), SCORES)

    assert ids.dtype == tf.int64
    np.testing.assert_array_equal(ids, [2, 0])


def test_a_row_of_zeros_names_no_class():
    ids = forms.class_ids(tf.constant([[0.0, 0, 0], [0, 0.5, 0.5]]), SCORES)

    np.testing.assert_array_equal(ids, [-1, 1])


@pytest.mark.parametrize("dtype", [tf.int64, tf.int32, tf.float32])
def test_hidden_ids_that_are_no_class_are_unknown(dtype):
    hidden = tf.cast([0, 2, -1, 3, 255, 1], dtype)
    scores = tf.zeros([6, 3])

    assert forms.hidden_ids(hidden, scores).dtype == tf.int64
    np.testing.assert_array_equal(
        forms.hidden_ids(hidden, scores), [0, 2, -1, -1, -1, 1]
    )
    np.testing.assert_array_equal(
        forms.hidden_ids(hidden, scores, ignore_class=1),
        [0, 2, -1, -1, -1, -1],
    )


def test_wide_ids_do_not_wrap():
    """256 classes of uint8 labels: 255 is one of them."""
    hidden = tf.constant([0, 255], tf.uint8)

    np.testing.assert_array_equal(
        forms.hidden_ids(hidden, tf.zeros([2, 256])), [0, 255]
    )


@pytest.mark.parametrize("dtype", [tf.int64, tf.uint8, tf.float32, tf.float64])
def test_ids_are_given_the_form_of_labels(dtype):
    ids = tf.constant([1, 0], tf.int64)
    for shape, expected in (
        ([5], [1, 0]),
        ([5, 1], [[1], [0]]),
        ([5, 3], [[0, 1, 0], [1, 0, 0]]),
    ):
        labels = forms.encoded(ids, tf.zeros(shape, dtype), SCORES)
        assert labels.dtype == dtype
        np.testing.assert_array_equal(labels, expected)


def test_ids_of_pixels_are_given_the_form_of_labels():
    ids = tf.constant([[[0, 1], [2, 1]]], tf.int64)
    scores = tf.zeros([1, 2, 2, 3])

    for shape, expected in (
        ([1, 2, 2], ids),
        ([1, 2, 2, 1], ids[..., tf.newaxis]),
        ([1, 2, 2, 3], np.eye(3)[ids.numpy()]),
    ):
        np.testing.assert_array_equal(
            forms.encoded(ids, tf.zeros(shape), scores), expected
        )


# Answers to questions.


def test_what_is_a_question():
    """One output always; several where the target says so."""
    for shape in ((None, 1), (None, 5, 1)):
        assert forms.are_questions(shape, False)
        assert forms.are_questions(shape, True)
    assert not forms.are_questions((None, 3), False)
    assert forms.are_questions((None, 3), True)


def test_a_question_is_a_position_with_two_classes():
    assert forms.with_classes((None, 5, 3), True) == (None, 5, 3, 2)
    assert forms.with_classes((None, 5, 3), False) == (None, 5, 3)
    ids = tf.constant([[1, 0, 0], [0, 1, 1]], tf.int64)
    labels = forms.encoded(ids, tf.zeros([7, 3]), tf.zeros([2, 3, 2]))
    assert labels.dtype == tf.float32
    np.testing.assert_array_equal(labels, ids)


def test_answers_by_the_likelier_one():
    found = forms.answers(tf.constant([[0.0, 0.5], [0.6, 1.0]]))

    assert found.dtype == tf.int64
    np.testing.assert_array_equal(found, [[0, 0], [1, 1]])


def test_the_probability_of_yes_stands_for_both():
    p = tf.constant([[[0.75, 0.25], [0.5, 0.5]]])
    found = forms.distributed(p, tf.zeros([1, 2], tf.float64))

    assert found.dtype == tf.float64
    np.testing.assert_array_equal(found, [[0.25, 0.5]])
    np.testing.assert_array_equal(forms.distributed(p, p), p)


# Labels that cannot hold a distribution.


@pytest.mark.parametrize(
    ("like", "found"),
    [
        (tf.zeros([5], tf.int64), r"int64 labels of shape \(5,\)"),
        (tf.zeros([5, 1]), r"float32 labels of shape \(5, 1\)"),
        (tf.zeros([5, 3], tf.int32), r"int32 labels of shape \(5, 3\)"),
    ],
)
def test_soft_class_ids_are_refused(like, found):
    with pytest.raises(ValueError, match=found):
        forms.check_distributions(like, tf.zeros([5, 3]))


def test_distributions_are_told_from_specs():
    scores = tf.TensorSpec([None, 3])
    forms.check_distributions(tf.TensorSpec([None, 3]), scores)
    forms.check_distributions(keras.KerasTensor((None, 3), "float64"), scores)

    with pytest.raises(ValueError, match=r"tf\.one_hot\(label, classes\)"):
        forms.check_distributions(tf.TensorSpec([None]), scores)
