import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.labels import targets

IDS = tf.constant([1, 0, 2], tf.int64)
PROBABILITIES = tf.constant([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0, 0.25, 0.75]])
ONE_VALUE_PER_CLASS = tf.zeros([5, 3])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((8,), True), ((8, 1), True), ((8, 3), False)],
)
def test_class_ids_or_one_value_per_class(shape, expected):
    assert (
        targets.holds_class_ids(tf.zeros(shape), tf.zeros((8, 3))) is expected
    )


@pytest.mark.parametrize(
    "labels", [[2, 0], [[2], [0]], [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]]
)
def test_class_ids_of_either_kind(labels):
    ids = targets.class_ids(tf.constant(labels), tf.zeros([2, 3]))

    assert ids.dtype == tf.int64
    np.testing.assert_array_equal(ids, [2, 0])


# Hard.


def test_hard_class_ids():
    for dtype in (tf.int64, tf.uint8, tf.float32):
        labels = targets.Hard()(IDS, PROBABILITIES, tf.zeros([5], dtype))

        assert labels.dtype == dtype
        np.testing.assert_array_equal(labels, IDS)


def test_hard_class_ids_in_a_column():
    labels = targets.Hard()(IDS, PROBABILITIES, tf.zeros([5, 1], tf.int32))

    assert labels.dtype == tf.int32
    np.testing.assert_array_equal(labels, [[1], [0], [2]])


@pytest.mark.parametrize("dtype", [tf.float32, tf.int32])
def test_hard_one_hot(dtype):
    labels = targets.Hard()(IDS, PROBABILITIES, tf.zeros([5, 3], dtype))

    assert labels.dtype == dtype
    np.testing.assert_array_equal(labels, np.eye(3)[IDS])


def test_hard_per_pixel():
    ids = tf.constant([[[0, 1], [2, 3]]], tf.int64)
    probabilities = tf.reshape(tf.eye(4), [1, 2, 2, 4])
    labels = targets.Hard()(ids, probabilities, tf.zeros([1, 2, 2], tf.int32))

    np.testing.assert_array_equal(labels, ids)


@pytest.mark.parametrize("like", [tf.zeros([5]), tf.zeros([5, 3])])
def test_hard_believes_the_scores_where_probabilities_round(like):
    """Sigmoids of 20 and 90 are both 1: the larger score is still known."""
    rounded = tf.ones([1, 3])
    labels = targets.Hard()(tf.constant([2], tf.int64), rounded, like)

    expected = [2] if len(like.shape) == 1 else [[0, 0, 1]]
    np.testing.assert_array_equal(labels, expected)


# Soft.


def test_soft_targets_are_the_probabilities():
    like = tf.zeros([5, 3], tf.float64)
    labels = targets.Soft()(IDS, PROBABILITIES, like)

    assert labels.dtype == tf.float64
    np.testing.assert_array_equal(labels, tf.cast(PROBABILITIES, tf.float64))


# Sharpened.


def test_temperature_one_half_squares_the_probabilities():
    labels = targets.Sharpened(0.5)(IDS, PROBABILITIES, ONE_VALUE_PER_CLASS)

    expected = [
        # 1 : 49 : 4, 25 : 9 : 4, and 0 : 1 : 9.
        [1 / 54, 49 / 54, 4 / 54],
        [25 / 38, 9 / 38, 4 / 38],
        [0, 1 / 10, 9 / 10],
    ]
    np.testing.assert_allclose(labels, expected, rtol=1e-5, atol=1e-12)


def test_temperature_1_is_soft():
    labels = targets.Sharpened(1.0)(IDS, PROBABILITIES, ONE_VALUE_PER_CLASS)

    np.testing.assert_allclose(labels, PROBABILITIES, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("temperature", [0.01, 1e-4, 1e-6])
def test_low_temperatures_are_hard_without_underflow(temperature):
    """0.5^100 is no number of float32 any more; 0.4^100 neither."""
    nearly_equal = tf.constant([[0.4, 0.5, 0.1], [0.35, 0.3, 0.35001]])
    ids = tf.constant([1, 2], tf.int64)
    labels = targets.Sharpened(temperature)(
        ids, nearly_equal, ONE_VALUE_PER_CLASS
    )

    np.testing.assert_allclose(tf.reduce_sum(labels, axis=-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(tf.argmax(labels, axis=-1), ids)
    np.testing.assert_allclose(labels[0], [0, 1, 0], atol=1e-6)


def test_certain_probabilities_stay_certain():
    labels = targets.Sharpened(0.5)(
        tf.constant([1], tf.int64), tf.eye(3)[1:2], ONE_VALUE_PER_CLASS
    )

    np.testing.assert_allclose(labels, [[0, 1, 0]], atol=1e-12)


@pytest.mark.parametrize("temperature", [0.0, -1.0, 1.5, float("nan")])
def test_temperature_that_does_not_sharpen_is_refused(temperature):
    with pytest.raises(ValueError, match=f"got {temperature}"):
        targets.Sharpened(temperature)


# Labels that cannot hold a distribution.


@pytest.mark.parametrize("target", [targets.Soft(), targets.Sharpened()])
@pytest.mark.parametrize(
    ("like", "found"),
    [
        (tf.zeros([5], tf.int64), r"int64 labels of shape \(5,\)"),
        (tf.zeros([5, 1]), r"float32 labels of shape \(5, 1\)"),
        (tf.zeros([5, 3], tf.int32), r"int32 labels of shape \(5, 3\)"),
    ],
)
def test_soft_class_ids_are_refused(target, like, found):
    with pytest.raises(ValueError, match=found):
        target(IDS, PROBABILITIES, like)


def test_distributions_are_told_from_specs():
    scores = tf.TensorSpec([None, 3])
    targets.check_distributions(tf.TensorSpec([None, 3]), scores)

    with pytest.raises(ValueError, match=r"tf\.one_hot\(label, classes\)"):
        targets.check_distributions(tf.TensorSpec([None]), scores)


# Saving.


@pytest.mark.parametrize(
    "target",
    [targets.Hard(), targets.Soft(), targets.Sharpened(0.25)],
    ids=lambda target: type(target).__name__,
)
def test_serialization(target):
    config = keras.saving.serialize_keras_object(target)
    restored = keras.saving.deserialize_keras_object(config)

    assert type(restored) is type(target)
    assert restored.get_config() == target.get_config()
    like = ONE_VALUE_PER_CLASS
    np.testing.assert_array_equal(
        restored(IDS, PROBABILITIES, like), target(IDS, PROBABILITIES, like)
    )


def test_names():
    assert {name: kind() for name, kind in targets.TARGETS.items()}.keys() == {
        "hard",
        "soft",
        "sharpened",
    }
    assert targets.TARGETS["sharpened"]().temperature == 0.5
