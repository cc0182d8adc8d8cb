import keras
import numpy as np
import pytest

import tf_pseudolabel as tpl
from tests.contexts import X_U, X, linear, model_of, passed, softmax, streams


def _teacher(classes=3, activation=None):
    keras.utils.set_random_seed(7)
    layers = [keras.layers.Dense(5, "tanh"), keras.layers.Dropout(0.5)]
    last = keras.layers.Dense(classes, activation)
    return keras.Sequential([keras.Input((4,)), *layers, last])


def test_labels_are_those_of_another_network():
    teacher = _teacher()
    model = model_of(linear(), teacher=tpl.Frozen(teacher))
    beliefs = passed(model).beliefs
    expected = teacher.predict(X_U, verbose=0)
    np.testing.assert_allclose(
        beliefs.raw, softmax(expected), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_array_equal(beliefs.ids, expected.argmax(axis=1))
    np.testing.assert_array_equal(model.label(X_U).ids, expected.argmax(axis=1))


def test_each_network_has_its_own_last_activation():
    """A softmax teacher of a student with logits."""
    teacher = _teacher(activation="softmax")
    beliefs = passed(model_of(linear(), teacher=tpl.Frozen(teacher))).beliefs
    expected = teacher.predict(X_U, verbose=0)
    np.testing.assert_allclose(beliefs.raw, expected, rtol=1e-4, atol=1e-6)


def test_it_does_not_learn():
    teacher = _teacher()
    before = teacher.get_weights()
    model = model_of(linear(), teacher=tpl.Frozen(teacher))
    first = model.classifier.get_weights()
    model.fit(streams(), epochs=2, verbose=0)

    assert len(model.trainable_weights) == 2
    for a, b in zip(teacher.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.abs(model.classifier.get_weights()[0] - first[0]).max() > 0


def test_it_is_saved_with_the_model(tmp_path):
    model = model_of(linear(), teacher=tpl.Frozen(_teacher()))
    said = model.label(X_U)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")

    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.label(X_U).ids, said.ids)
    assert not loaded.teacher.classifier.trainable
    assert len(loaded.trainable_weights) == 2
    other = _teacher()
    other.set_weights([0 * weight for weight in other.get_weights()])
    other = model_of(linear(), teacher=tpl.Frozen(other))
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other.label(X_U).ids, said.ids)
    assert "Frozen" in repr(loaded.teacher)


def test_a_subclass_that_was_called_may_teach():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.layer = keras.layers.Dense(3)

        def call(self, x):
            return self.layer(x)

    teacher = Own()
    with pytest.raises(ValueError, match="that is built; got"):
        tpl.Frozen(teacher)
    expected = teacher(X_U)
    model = model_of(linear(), teacher=tpl.Frozen(teacher))
    ids = model.label(X_U).ids
    np.testing.assert_array_equal(ids, np.argmax(expected, axis=1))
    model.fit(streams(), verbose=0)


def test_what_cannot_teach():
    with pytest.raises(ValueError, match="that is built; got 3"):
        tpl.Frozen(3)
    with pytest.raises(ValueError, match="got 4 scores of the teacher and 3"):
        model_of(linear(), teacher=tpl.Frozen(_teacher(4)))
    classifier = linear()
    with pytest.raises(ValueError, match="the same one twice"):
        model_of(classifier, teacher=tpl.Frozen(classifier))


def test_a_teacher_on_replicas(two_replicas):
    with two_replicas.scope():
        teacher = _teacher()
        model = model_of(linear(), teacher=tpl.Frozen(teacher))
    model.fit(streams(batch=8, batch_u=5), verbose=0)
    assert model.label(X).ids.shape == (8,)
