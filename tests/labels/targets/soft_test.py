import keras
import numpy as np
import tensorflow as tf

from tests.contexts import (
    ONE_HOT,
    X_U,
    X,
    Y,
    beliefs_of,
    model_of,
    passed,
    softmax,
)
from tf_pseudolabel.labels.targets import Soft

PROBABILITIES = [[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0, 0.25, 0.75]]


def test_targets_are_the_probabilities():
    labels = Soft().labels(
        beliefs_of(PROBABILITIES), tf.zeros([5, 3], tf.float64)
    )

    assert labels.dtype == tf.float64
    np.testing.assert_allclose(labels, PROBABILITIES, rtol=1e-7)


def test_aligned_ones_are_taken():
    beliefs = beliefs_of(PROBABILITIES)._replace(probabilities=tf.eye(3))

    np.testing.assert_array_equal(
        Soft().labels(beliefs, tf.zeros([5, 3])), np.eye(3)
    )


def test_in_an_update_no_gradient_flows_through_them():
    model = model_of(
        loss=keras.losses.CategoricalCrossentropy(True), target="soft"
    )
    with tf.GradientTape() as tape:
        context = passed(model, (X, ONE_HOT[Y]), (X_U,))
        total = tf.reduce_sum(context.beliefs.target**2)

    expected = softmax(model.classifier(X_U).numpy())
    np.testing.assert_allclose(context.beliefs.target, expected, rtol=1e-5)
    kernel = model.classifier.weights[0].value
    assert tape.gradient(total, kernel) is None


def test_serialization():
    config = keras.saving.serialize_keras_object(Soft())

    assert type(keras.saving.deserialize_keras_object(config)) is Soft
