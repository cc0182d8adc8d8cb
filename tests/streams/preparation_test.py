import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import model_of, streams
from tf_pseudolabel.streams import preparation

X, Y = tf.zeros([6, 4]), tf.constant([0, 1, 2, 0, 1, 2])


def _dataset(*arrays):
    element = arrays if len(arrays) > 1 else arrays[0]
    return tf.data.Dataset.from_tensor_slices(element).batch(3)


def _prepared(streams, **choices):
    classifier = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model = tpl.PseudoLabelModel(classifier, **choices)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    return preparation.prepared(model, streams, None)


def test_what_is_logged_follows_the_streams_and_the_selection():
    plain = _prepared(tpl.merge_streams(_dataset(X, Y), _dataset(X)))
    assert plain.shown == ()
    known = tpl.merge_streams(_dataset(X, Y), _dataset(X, Y))
    both = _prepared(known, selection=tpl.Threshold(0.5))
    assert both.shown == ("coverage", "pseudo_label_accuracy")


def test_which_streams_have_unlabeled_rows_and_which_alternate():
    labeled, unlabeled = _dataset(X, Y), _dataset(X)
    merged = _prepared(tpl.merge_streams(labeled, unlabeled))
    assert (merged.has_unlabeled, merged.is_alternating) == (True, False)
    alone = _prepared(tpl.labeled_alone(labeled, unlabeled))
    assert (alone.has_unlabeled, alone.is_alternating) == (False, False)
    turns = _prepared(tpl.alternate_streams(labeled, unlabeled))
    assert (turns.has_unlabeled, turns.is_alternating) == (True, True)


def test_calls_that_train_on_no_two_streams_are_refused():
    labeled = _dataset(X, Y)
    merged = tpl.merge_streams(labeled, _dataset(X))
    preparation.check_call(merged, None, labeled)
    with pytest.raises(ValueError, match="a labeled and an unlabeled stream"):
        preparation.check_call(labeled, None, None)
    with pytest.raises(ValueError, match="got a pair of streams"):
        preparation.check_call(merged, None, merged)
    endless = tpl.merge_streams(labeled, _dataset(X).repeat())
    with pytest.raises(ValueError, match="got no steps_per_epoch"):
        preparation.check_call(endless, None, None)
    preparation.check_call(endless, 5, None)


def test_columns_without_an_axis_are_trained_on_as_in_keras():
    """A dict of a table's columns, as `tf.data` makes it of `dict(frame)`."""
    columns = {"a": X[:, 0], "b": X[:, 1] + tf.range(6.0)}
    inputs = {name: keras.Input((1,), name=name) for name in columns}
    joined = keras.layers.Concatenate()(list(inputs.values()))
    scores = keras.layers.Dense(3, kernel_initializer="ones")(joined)
    plain = keras.Model(inputs, scores)
    model = tpl.PseudoLabelModel(keras.models.clone_model(plain))
    model.classifier.set_weights(plain.get_weights())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for each in (plain, model):
        each.compile(keras.optimizers.SGD(0.1), loss)

    plain.fit(_dataset(columns, Y), verbose=0)
    model.fit(
        tpl.merge_streams(_dataset(columns, Y), _dataset((columns,))), verbose=0
    )

    for ours, theirs in zip(
        model.classifier.get_weights(), plain.get_weights(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


PIXELS = np.random.default_rng(0).integers(0, 255, (6, 8, 8, 1), np.uint8)


def _of_pixels(**choices):
    return model_of(
        keras.Sequential(
            [
                keras.Input((8, 8, 1), dtype="uint8"),
                keras.layers.Flatten(),
                keras.layers.Dense(3),
            ]
        ),
        **choices,
    )


def _cropped(x):
    return x[:, 1:]


def _failing(x):
    raise KeyError("no such view")


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (
            keras.layers.RandomRotation(0.1),
            r"like the one it is given, \(8, 8, 1\) uint8; got \(8, 8, 1\) "
            "float32",
        ),
        (_cropped, r"got \(7, 8, 1\) uint8"),
        (lambda x: None, "got NoneType"),
        (
            _failing,
            "does not take the inputs of the streams. .*no such",
        ),
    ],
)
@pytest.mark.parametrize("which", ["weak", "strong"])
@pytest.mark.parametrize("batch_norm", ["auto", "joint"])
def test_a_view_must_be_like_its_rows(view, message, which, batch_norm):
    model = _of_pixels(views=tpl.Views(**{which: view}), batch_norm=batch_norm)

    with pytest.raises(ValueError, match=f"`{which}` .*{message}"):
        model.fit(streams((PIXELS, Y), (PIXELS,)), verbose=0)


def test_a_view_that_casts_back_is_one():
    layer = keras.layers.RandomRotation(0.1, dtype="uint8")
    views = tpl.Views(strong=lambda x: tf.cast(layer(x), x.dtype))
    _of_pixels(views=views).fit(streams((PIXELS, Y), (PIXELS,)), verbose=0)
