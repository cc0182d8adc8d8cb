import keras
import numpy as np
import tensorflow as tf

from tests.contexts import X_U, model_of, normalizing, passed
from tf_pseudolabel.labels.teachers import Inference


def test_dropout_is_off():
    classifier = keras.Sequential([keras.layers.Dropout(0.5)])
    x = tf.ones([4, 100])

    np.testing.assert_array_equal(Inference().label(classifier, x), x)


def test_it_lives_on_moving_statistics():
    """As they are before a joint pass moves them; it moves none itself."""
    model = model_of(normalizing(), batch_norm="joint")
    expected = model.classifier(X_U, training=False)
    context = passed(model)

    np.testing.assert_allclose(context.beliefs.scores, expected, rtol=1e-6)
    assert np.abs(context.scores_u - expected).max() > 0.01


def test_serialization():
    config = keras.saving.serialize_keras_object(Inference())

    assert type(keras.saving.deserialize_keras_object(config)) is Inference
