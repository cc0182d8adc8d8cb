import numpy as np
import pytest
import tensorflow as tf

from tests.contexts import X_U, context_of, linear, model_of, passed
from tf_pseudolabel.labels.teachers import (
    Inference,
    Lagged,
    Teacher,
    Training,
)
from tf_pseudolabel.part import Progress


class Negated(Teacher):
    """One's own: believes the opposite."""

    def label(self, classifier, x):
        return -classifier(x, training=False)


def test_what_it_says_in_an_update_is_what_it_says_outside():
    model = model_of(teacher=Negated())
    expected = -model.classifier(X_U).numpy()

    np.testing.assert_array_equal(passed(model).beliefs.scores, expected)
    np.testing.assert_array_equal(
        model.label(X_U).ids, expected.argmax(axis=-1)
    )


@pytest.mark.parametrize("kind", [Inference, Training])
def test_the_network_itself_needs_no_preparation(kind):
    classifier = linear()
    before = classifier.get_weights()
    progress = Progress(classifier, 0)
    kind().begin(progress)
    kind().end_epoch(progress)

    for a, b in zip(before, classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_gradient_flows_through_a_teacher():
    model = model_of()
    context = context_of(model)
    with tf.GradientTape() as tape:
        context.pass_labeled()
        context.pass_unlabeled()
        beliefs = context.beliefs
        believed = tf.reduce_sum(beliefs.scores * beliefs.probabilities)
    assert tape.gradient(believed, model.classifier.weights[0].value) is None


def test_which_teachers_share_the_pass_of_the_loss():
    assert Training.in_pass
    assert not (Teacher.in_pass or Inference.in_pass or Lagged.in_pass)
