import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.contexts import X_U, X, Y, context_of, model_of, passed
from tf_pseudolabel import Views
from tf_pseudolabel.part import Progress
from tf_pseudolabel.views import Viewed


@keras.saving.register_keras_serializable("tf_pseudolabel_test")
def doubled(x):
    return 2 * x


@keras.saving.register_keras_serializable("tf_pseudolabel_test")
def moved(x):
    return x + 1


def _weights(model):
    kernel, bias = model.classifier.get_weights()
    return lambda rows: rows @ kernel + bias


@pytest.mark.parametrize("teacher", ["inference", "training", "lagged"])
@pytest.mark.parametrize("batch_norm", ["separate", "labeled", "joint"])
def test_each_side_sees_its_own(teacher, batch_norm):
    """The weak view for labels and teacher, the strong one for the student."""
    model = model_of(
        views=Views(doubled, moved), teacher=teacher, batch_norm=batch_norm
    )
    scores = _weights(model)
    if teacher == "lagged":
        model.teacher.begin(Progress(model.classifier, 0))
    context = passed(model)

    expected = scores(2 * X), scores(2 * X_U), scores(X_U + 1)
    found = context.scores, context.beliefs.scores, context.scores_u
    for value, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, wanted, atol=1e-5)


def test_the_strong_view_is_made_of_the_raw_inputs():
    context = context_of(model_of(views=Views(doubled, moved)))

    np.testing.assert_allclose(context.unlabeled.student, X_U + 1)


def test_without_a_strong_view_the_student_sees_what_the_teacher_sees():
    weak, student = Views(doubled).unlabeled(tf.constant(X_U), None)

    assert weak is student
    np.testing.assert_array_equal(weak, 2 * X_U)


def test_without_a_weak_view_inputs_stay_as_they_are():
    views, x = Views(strong=moved), tf.constant(X_U)
    weak, strong = views.unlabeled(x, None)

    assert weak is x
    assert views.labeled(x, None) is x
    np.testing.assert_array_equal(strong, X_U + 1)


def test_layers_are_called_in_training_mode():
    views = Views(keras.layers.Dropout(0.5), keras.layers.GaussianNoise(1.0))
    ones = tf.ones([20, 50])
    weak, strong = views.unlabeled(ones, None)

    assert set(np.unique(weak)) == {0.0, 2.0}
    assert set(np.unique(views.labeled(ones, None))) == {0.0, 2.0}
    assert len(np.unique(strong)) > 100


def test_nested_inputs():
    views = Views(lambda x: {"a": 2 * x["a"], "b": x["b"]})
    x = {"a": tf.ones([2, 1]), "b": tf.ones([2, 3])}
    weak, _ = views.unlabeled(x, None)

    np.testing.assert_array_equal(weak["a"], [[2], [2]])
    assert weak["b"] is x["b"]


# Brought by the stream.


@pytest.mark.parametrize("batch_norm", ["separate", "joint"])
def test_a_stream_may_bring_both(batch_norm):
    model = model_of(batch_norm=batch_norm)
    scores = _weights(model)
    context = passed(model, unlabeled=(Viewed(X_U, X_U + 1),))

    np.testing.assert_allclose(context.beliefs.scores, scores(X_U), atol=1e-5)
    np.testing.assert_allclose(context.scores_u, scores(X_U + 1), atol=1e-5)
    np.testing.assert_allclose(context.scores, scores(X), atol=1e-5)


def test_a_stream_may_bring_one_view_and_numbers_of_rows():
    index = np.arange(12) + 100
    context = passed(model_of(), unlabeled=(Viewed(X_U, index=index),))

    assert context.unlabeled.student is context.unlabeled.x
    np.testing.assert_array_equal(context.unlabeled.index, index)


# Trained, saved, refused.


def test_views_are_saved_with_the_model(tmp_path):
    model = model_of(views=Views(doubled, keras.layers.GaussianNoise(0.1)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    assert loaded.views.weak is doubled
    assert isinstance(loaded.views.strong, keras.layers.GaussianNoise)
    assert loaded.views.strong.stddev == 0.1
    labeled = context_of(loaded, (X, Y)).labeled
    np.testing.assert_array_equal(labeled.x, 2 * X)


def test_round_trip_of_what_is_left_out():
    config = keras.saving.serialize_keras_object(Views(strong=moved))
    restored = keras.saving.deserialize_keras_object(config)

    assert restored.weak is None
    assert restored.strong is moved


@pytest.mark.parametrize("which", ["weak", "strong"])
def test_what_cannot_be_called_is_refused(which):
    with pytest.raises(
        ValueError, match=f"`{which}` takes a callable .*; got 'flip'"
    ):
        Views(**{which: "flip"})
