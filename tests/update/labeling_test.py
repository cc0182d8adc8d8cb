import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import (
    X_U,
    Y_U,
    dataset,
    linear,
    model_of,
    softmax,
    token_network,
)
from tf_pseudolabel.part import Progress
from tf_pseudolabel.views import Viewed


def _expected(model, rows=X_U):
    p = softmax(model.classifier(rows).numpy())
    return p.argmax(axis=-1), p.max(axis=-1)


def _assert_labeled(found, ids, confidence):
    assert found.ids.dtype == np.int64
    assert found.confidence.dtype == np.float32
    np.testing.assert_array_equal(found.ids, ids)
    np.testing.assert_allclose(found.confidence, confidence, rtol=1e-5)


@pytest.mark.parametrize(
    "x",
    [
        X_U,
        X_U.tolist(),
        tf.constant(X_U),
        dataset(X_U, batch=5),
        dataset(X_U, Y_U, batch=5),
        tf.data.Dataset.from_tensor_slices(Viewed(X_U, -X_U)).batch(5),
    ],
    ids=["array", "lists", "tensor", "dataset", "labels ignored", "weak view"],
)
def test_rows_of_any_kind(x):
    model = model_of()

    _assert_labeled(model.label(x), *_expected(model))


def test_more_rows_than_at_once():
    rows = np.random.default_rng(0).normal(size=(600, 4)).astype("float32")
    model = model_of()

    _assert_labeled(model.label(rows), *_expected(model, rows))


def test_nested_inputs():
    first, second = (keras.Input((2,), name=name) for name in "ab")
    both = keras.layers.Concatenate()([first, second])
    keras.utils.set_random_seed(1)
    classifier = keras.Model({"a": first, "b": second}, linear()(both))
    model = model_of(classifier)
    found = model.label({"a": X_U[:, :2], "b": X_U[:, 2:]})

    _assert_labeled(found, *_expected(model_of()))


def test_the_teacher_is_asked():
    """However far the network has moved since."""
    model = model_of(teacher="lagged")
    expected = _expected(model)
    model.teacher.begin(Progress(model.classifier, 0))
    model.classifier.set_weights([-w for w in model.classifier.get_weights()])
    assert (_expected(model)[0] != expected[0]).any()

    _assert_labeled(model.label(X_U), *expected)
    model.teacher.end_epoch(Progress(model.classifier, 0))
    _assert_labeled(model.label(X_U), *_expected(model))


def test_dropout_is_off():
    classifier = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(3)]
    )
    model = model_of(classifier, teacher="training")

    _assert_labeled(model.label(X_U), *_expected(model))


def test_masked_positions_have_no_class():
    tokens = np.array([[3, 0, 0, 0], [4, 2, 5, 0]])
    model = model_of(token_network())
    ids, _ = _expected(model, tokens)
    found = model.label(tokens)

    np.testing.assert_array_equal(found.ids, np.where(tokens > 0, ids, -1))


@pytest.mark.parametrize("outputs", [1, 2])
def test_answers_to_questions(outputs):
    tokens = np.array([[3, 0, 0, 0], [4, 2, 5, 0]])
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    network = token_network(classes=outputs)
    model = model_of(network, loss, target="multi_hot")
    p = 1 / (1 + np.exp(-network(tokens).numpy()))
    found = model.label(tokens)

    np.testing.assert_array_equal(
        found.ids, np.where(tokens[..., None] > 0, p > 0.5, -1)
    )
    np.testing.assert_allclose(
        found.confidence, np.maximum(p, 1 - p), rtol=1e-5
    )


def test_a_classifier_that_is_not_built_says_what_its_outputs_are():
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model = model_of(keras.Sequential([keras.layers.Dense(1)]), loss)
    found = model.label(X_U).ids

    np.testing.assert_array_equal(found, model.classifier(X_U) > 0)
    assert not model.settled_method().questions
    model.build((None, 4))
    assert model.settled_method().questions
    np.testing.assert_array_equal(model.label(X_U).ids, found)


def test_the_largest_score_decides_where_probabilities_round():
    loss = tpl.SummedBinaryCrossentropy(from_logits=True)
    classifier = keras.Sequential(
        [keras.Input((3,)), keras.layers.Rescaling(1.0)]
    )
    model = model_of(classifier, loss)
    found = model.label(np.array([[20.0, 30.0, 90.0]], "float32"))

    assert found.ids.tolist() == [2]
    assert found.confidence.tolist() == [1.0]


def test_another_compiled_loss_is_heard_of():
    model = model_of()
    model.label(X_U)
    model.compile("sgd", tpl.SummedBinaryCrossentropy(from_logits=True))
    logits = model.classifier(X_U).numpy()

    np.testing.assert_allclose(
        model.label(X_U).confidence,
        1 / (1 + np.exp(-logits.max(axis=-1))),
        rtol=1e-5,
    )


def test_no_rows_are_one_line():
    with pytest.raises(ValueError, match="must be rows to label; got none"):
        model_of().label(X_U[:0])


_MERGED = tpl.merge_streams(dataset(X_U, Y_U, batch=5), dataset(X_U, batch=5))


@pytest.mark.parametrize(
    "x, message",
    [
        (tf.data.Dataset.from_tensor_slices(X_U), r"\(4,\) float32; got \(\)"),
        (tf.data.Dataset.from_tensor_slices((X_U, Y_U)), "Call .batch"),
        (X_U[0], r"got \(\) float32"),
        (tf.data.Dataset.range(3), "given stream must yield batches"),
        (X_U[:, :3], r"\(4,\) float32; got \(3,\) float32"),
        (X_U.astype(str), r"got \(4,\) string"),
        (1.0, r"or arrays \(rows, \.\.\.\); got float: "),
        (None, "got NoneType: "),
        ({"a": X_U, "b": X_U[:3]}, "got dict: "),
        (_MERGED, "got merged streams"),
    ],
)
def test_rows_that_cannot_be_meant_are_one_line(x, message):
    with pytest.raises(ValueError, match=message) as caught:
        model_of().label(x)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", ["float64", "int32", "float16"])
def test_numbers_of_any_kind_are_taken_as_keras_does(dtype):
    rows = X_U.astype(dtype)
    model = model_of()

    found = model.label(rows)

    expected = _expected(model, rows.astype("float32"))
    np.testing.assert_array_equal(found.ids, expected[0])


@pytest.mark.parametrize("wanted, given", [((1,), ()), ((), (1,))])
def test_an_axis_of_1_is_added_and_left_out_as_keras_does(wanted, given):
    x = keras.Input(wanted)
    y = keras.layers.Dense(3)(keras.layers.Reshape((1,))(x))
    classifier = keras.Model(x, y)
    rows = np.arange(3, dtype="float32").reshape(3, *given)

    found = model_of(classifier).label(rows)

    expected = classifier.predict(rows.reshape(3, *wanted), verbose=0)
    np.testing.assert_array_equal(found.ids, expected.argmax(axis=-1))
