import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.contexts import X_U, context_of, model_of, normalizing, passed
from tf_pseudolabel.labels.teachers import Training
from tf_pseudolabel.views import Viewed

STRONG = X_U + 3


def _model(batch_norm="auto", **choices):
    return model_of(
        normalizing(), teacher="training", batch_norm=batch_norm, **choices
    )


@pytest.mark.parametrize("batch_norm", ["separate", "labeled", "joint"])
def test_the_scores_are_those_of_the_loss(batch_norm):
    context = passed(_model(batch_norm))

    np.testing.assert_array_equal(context.beliefs.scores, context.scores_u)


def test_there_are_none_before_the_pass_of_the_loss():
    assert Training().scores(context_of(_model())) is None


def test_dropout_is_the_same_for_labels_and_loss():
    classifier = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(3)]
    )
    context = passed(model_of(classifier, teacher="training"))

    np.testing.assert_array_equal(context.beliefs.scores, context.scores_u)
    without = classifier(X_U, training=False).numpy()
    assert np.abs(context.scores_u - without).max() > 0.01


@pytest.mark.parametrize("batch_norm", ["separate", "labeled"])
def test_a_strong_view_leaves_it_a_pass_of_its_own(batch_norm):
    """In training mode; moving statistics follow the student alone."""
    context = passed(_model(batch_norm), unlabeled=(Viewed(X_U, STRONG),))
    weak = _model().classifier(X_U, training=True)
    other = _model(batch_norm)
    strong = passed(other, unlabeled=(STRONG,))

    np.testing.assert_allclose(context.beliefs.scores, weak, atol=1e-5)
    np.testing.assert_allclose(context.scores_u, strong.scores_u, atol=1e-5)
    for found, expected in zip(
        context.classifier.get_weights(),
        other.classifier.get_weights(),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_labels_outside_of_an_update_are_of_inference():
    model = _model()
    x = tf.constant(X_U)

    np.testing.assert_array_equal(
        Training().label(model.classifier, x),
        model.classifier(x, training=False),
    )


def test_serialization():
    config = keras.saving.serialize_keras_object(Training())

    assert type(keras.saving.deserialize_keras_object(config)) is Training
