import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.contexts import ONE_HOT, X_U, X, Y, beliefs_of, model_of, passed
from tf_pseudolabel.labels.targets import Hard

IDS = [1, 0, 2]
PROBABILITIES = [[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0, 0.25, 0.75]]


def _labels(like, probabilities=PROBABILITIES, ids=None):
    return Hard().labels(beliefs_of(probabilities, ids), like)


@pytest.mark.parametrize("dtype", [tf.int64, tf.uint8, tf.float32])
def test_class_ids(dtype):
    labels = _labels(tf.zeros([5], dtype))

    assert labels.dtype == dtype
    np.testing.assert_array_equal(labels, IDS)


def test_class_ids_in_a_column():
    labels = _labels(tf.zeros([5, 1], tf.int32))

    assert labels.dtype == tf.int32
    np.testing.assert_array_equal(labels, [[1], [0], [2]])


@pytest.mark.parametrize("dtype", [tf.float32, tf.int32])
def test_one_hot(dtype):
    labels = _labels(tf.zeros([5, 3], dtype))

    assert labels.dtype == dtype
    np.testing.assert_array_equal(labels, np.eye(3)[IDS])


def test_per_pixel():
    pixels = np.eye(4, dtype="float32").reshape(1, 2, 2, 4)
    labels = _labels(tf.zeros([1, 2, 2], tf.int32), pixels)

    np.testing.assert_array_equal(labels, [[[0, 1], [2, 3]]])


@pytest.mark.parametrize("like", [tf.zeros([5]), tf.zeros([5, 3])])
def test_scores_are_believed_where_probabilities_round(like):
    """Sigmoids of 20 and 90 are both 1: the larger score is still known."""
    labels = _labels(like, [[1.0, 1, 1]], [2])

    expected = [2] if len(like.shape) == 1 else [[0, 0, 1]]
    np.testing.assert_array_equal(labels, expected)


def test_in_an_update():
    """Lee's equation 14: one-hot of the largest score."""
    model = model_of(loss=keras.losses.CategoricalCrossentropy(True))
    context = passed(model, (X, ONE_HOT[Y]), (X_U,))

    expected = ONE_HOT[model.classifier(X_U).numpy().argmax(axis=-1)]
    np.testing.assert_array_equal(context.beliefs.target, expected)


def test_serialization():
    config = keras.saving.serialize_keras_object(Hard())

    assert type(keras.saving.deserialize_keras_object(config)) is Hard
