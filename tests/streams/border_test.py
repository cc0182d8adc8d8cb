import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.streams import border

X = np.ones((4, 2), "float32")
Y = np.array([0, 1, 2, 0])
ONE_HOT = np.eye(3, dtype="float32")
IDS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _dataset(arrays):
    return tf.data.Dataset.from_tensor_slices(tuple(arrays)).batch(4)


def _drawn(labeled, unlabeled=(X,), scores=(3,), loss=IDS, **kwargs):
    """The only element, in one form."""
    stream = tpl.merge_streams(_dataset(labeled), _dataset(unlabeled))
    scores = keras.KerasTensor((None, *scores))
    with border.refusals_in_one_line():
        (found,) = border.in_one_form(stream, scores, loss, **kwargs)
    return found


def _refusal(*args, **kwargs):
    with pytest.raises(ValueError) as error:
        _drawn(*args, **kwargs)
    return str(error.value)


def test_good_values_are_left_as_they_are():
    (x, y), (x_u,) = _drawn((X, Y))

    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)
    np.testing.assert_array_equal(x_u, X)


# Labels.


@pytest.mark.parametrize("wrong", [-1, 3])
def test_labels_outside_the_classes_are_refused(wrong):
    assert _refusal((X, np.array([0, 1, wrong, 2]))) == (
        "Batch refused: labels must lie in 0...2, one per output of the "
        f"classifier; got [{wrong}]"
    )


def test_bytes_name_256_classes():
    """Compared as bytes, 256 would wrap to 0 and refuse every label."""
    y = np.array([0, 3, 128, 255], "uint8")
    (_, found), _ = _drawn((X, y), scores=(256,))

    np.testing.assert_array_equal(found, y)
    assert "got [255]" in _refusal((X, y), scores=(200,)).replace("128 ", "")


def test_booleans_are_two_classes():
    (_, y), _ = _drawn((X, np.array([True, False, True, True])), scores=(2,))

    assert y.dtype == tf.int32
    np.testing.assert_array_equal(y, [1, 0, 1, 1])


def test_fractions_are_no_classes():
    assert "got [0.5]" in _refusal((X, np.array([0, 1, 0.5, 2], "float32")))
    (_, y), _ = _drawn((X, Y.astype("float64")))
    np.testing.assert_array_equal(y, Y)


@pytest.mark.parametrize("ignored", [255, -1])
def test_the_class_that_the_loss_ignores_is_legal(ignored):
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=ignored)
    (_, y), _ = _drawn((X, np.array([0, ignored, 2, 1])), loss=loss)

    np.testing.assert_array_equal(y, [0, ignored, 2, 1])
    other = np.array([0, 254, 2, ignored])
    assert _refusal((X, other), loss=loss).endswith("got [254]")


@pytest.mark.parametrize(
    ("row", "total"),
    [([1, 1, 0], "2"), ([0, 0, 0], "0"), ([2, -1, 0], "1")],
)
def test_multi_label_rows_are_refused(row, total):
    labels = ONE_HOT[Y].copy()
    labels[2] = row

    found = _refusal((X, labels))
    assert "must name one class, or be a distribution" in found
    assert "say tpl.MultiHot() and compile a loss per class" in found
    assert found.endswith(f"got rows that sum to [{total}]")


# Answers to questions: of one output, and of several.


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float64"])
@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_answers_have_the_shape_of_one_output(dtype, shape):
    labels = np.array([0, 1, 1, 0]).astype(dtype).reshape(shape)
    (_, y), (_, hidden) = _drawn(
        (X, labels), (X, labels), scores=(1,), questions=True
    )

    assert (y.dtype, hidden.dtype) == (tf.float32, tf.int64)
    for found in (y, hidden):
        np.testing.assert_array_equal(found, [[0], [1], [1], [0]])


def test_answers_of_positions_have_the_shape_of_one_output():
    tags = np.array([[0, 1], [1, 1], [0, 0], [1, 0]])
    (_, y), _ = _drawn((X, tags), scores=(2, 1), questions=True)

    np.testing.assert_array_equal(y, tags[..., None])


def test_any_number_of_classes():
    labels = np.array([[1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 0.5, 1]])
    hidden = np.array([[1, -1, 0], [-1, -1, -1], [0, 0, 0], [0, -7, 1]])
    (_, y), (_, found) = _drawn((X, labels), (X, hidden), questions=True)

    np.testing.assert_array_equal(y, labels)
    np.testing.assert_array_equal(found, np.maximum(hidden, -1))


@pytest.mark.parametrize("wrong", [2, -1, 1.5])
def test_other_answers_are_refused(wrong):
    y = np.array([0, 1, wrong, 0], "float32")

    refused = _refusal((X, y), scores=(1,), questions=True)
    assert "must be 0 or 1, or a share between" in refused
    assert refused.endswith(f"got [{wrong:g}]")


@pytest.mark.parametrize("wrong", [2, 0.5])
def test_other_hidden_answers_are_refused(wrong):
    y, hidden = np.array([0, 1, 1, 0]), np.array([0, -1, wrong, 1], "float32")

    refused = _refusal((X, y), (X, hidden), scores=(1,), questions=True)
    assert "unlabeled stream must lie in 0...1, or be -1" in refused
    assert refused.endswith(f"got [{wrong:g}]")


def test_class_weights_of_no_and_yes():
    y = np.array([True, False, True, True])
    (_, _, weight), _ = _drawn(
        (X, y, np.arange(4.0)),
        scores=(1,),
        questions=True,
        class_weight=np.array([2.0, 0.5]),
    )

    np.testing.assert_allclose(weight, [0, 2, 1, 1.5])


def test_distributions_are_labels():
    soft = np.full((4, 3), 1 / 3, "float32")
    (_, y), _ = _drawn((X, soft))

    np.testing.assert_array_equal(y, soft)


def test_labels_that_are_not_finite_are_refused():
    one_hot = ONE_HOT[Y].copy()
    one_hot[1, 1] = np.nan

    assert "label values must be finite" in _refusal((X, one_hot))


# Hidden labels.


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        ([0, 7, -1, 1], r"must lie in 0\.\.\.2, or be -1 .*; got \[7\]"),
        ([[1, 1, 0], [0, 0, 0]] * 2, r".* all 0 .*; got rows that sum to \[2"),
    ],
)
def test_hidden_labels_that_name_no_class_are_refused(hidden, message):
    refused = _refusal((X, Y), (X[:4], np.array(hidden)))
    assert re.search(f"unlabeled stream {message}", refused)


@pytest.mark.parametrize(
    ("hidden", "ids"),
    [
        ([0, 2, -1, 1], [0, 2, -1, 1]),
        ([0, -7, -5, 1], [0, -1, -1, 1]),
        ([[0], [2], [-1], [1]], [0, 2, -1, 1]),
        ([[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 1, 0]], [0, 2, -1, 1]),
    ],
)
@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_hidden_labels_become_class_ids(hidden, ids, dtype):
    _, (_, found) = _drawn((X, Y), (X, np.array(hidden, dtype)))

    assert found.dtype == tf.int64
    np.testing.assert_array_equal(found, ids)


def test_an_ignored_class_hides_nothing():
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=1)
    _, (_, found) = _drawn((X, Y), (X, np.array([0, 1, 2, 1])), loss=loss)

    np.testing.assert_array_equal(found, [0, -1, 2, -1])


# Weights.

WEIGHT = np.array([0.5, 2.0, 1.0, 3.0])


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 1, 1)])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_weights_of_rows_have_one_axis(shape, dtype):
    """An axis more would broadcast rows against rows."""
    weight = WEIGHT.astype(dtype)
    (_, _, found), (_, _, found_u) = _drawn(
        (X, Y, weight.reshape(shape)), (X, Y, weight.reshape(shape))
    )

    for values in (found, found_u):
        assert values.dtype == tf.float32
        np.testing.assert_array_equal(values, weight)


@pytest.mark.parametrize(
    ("shape", "form"),
    [((4,), (4, 1)), ((4, 1), (4, 1)), ((4, 2), (4, 2)), ((4, 2, 1), (4, 2))],
)
def test_weights_of_positions(shape, form):
    weight = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    tags = np.zeros((4, 2), int)
    (_, _, found), (_, _, found_u) = _drawn(
        (X, tags, weight), (X, tags, weight), scores=(2, 3)
    )

    np.testing.assert_array_equal(found_u, weight.reshape(form))
    np.testing.assert_array_equal(
        found, np.broadcast_to(weight.reshape(form), (4, 2))
    )


def test_weights_that_are_not_finite_are_refused():
    bad = np.array([1, np.nan, 1, 1])

    assert "labeled sample weight values" in _refusal((X, Y, bad))
    assert "unlabeled sample weight values" in _refusal((X, Y), (X, Y, bad))


@pytest.mark.parametrize("one_hot", [False, True])
def test_class_weights_multiply_sample_weights(one_hot):
    y = ONE_HOT[Y] if one_hot else Y
    (_, _, weight), _ = _drawn(
        (X, y, WEIGHT[:, None]), class_weight=np.array([2.0, 0.5, 1.0])
    )

    np.testing.assert_allclose(weight, WEIGHT * [2.0, 0.5, 1.0, 2.0])


def test_class_weights_alone_weigh_rows():
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=255)
    (_, _, weight), _ = _drawn(
        (X, np.array([0, 1, 255, 0])),
        class_weight=np.array([2.0, 0.5, 1.0]),
        loss=loss,
    )

    np.testing.assert_allclose(np.array(weight)[[0, 1, 3]], [2.0, 0.5, 2.0])


@pytest.mark.parametrize(
    "given", [{0: 2, 1: 0.5}, [2, 0.5, 1], np.array([[2], [0.5], [1]])]
)
def test_class_weights_are_a_dict_or_one_per_class(given):
    np.testing.assert_array_equal(border.class_weights(given, 3), [2, 0.5, 1])


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ({3: 1.0}, "the key 3"),
        ({-1: 1.0}, "the key -1"),
        ({"a": 1.0}, "the key 'a'"),
        ({0: -1.0}, "got -1.0 for class 0"),
        ({0: float("nan")}, "got nan for class 0"),
        ([1.0, 2.0], "each of 3 classes; got 2"),
        ([1.0, 2.0, -0.5], "for class 2"),
    ],
    ids=str,
)
def test_class_weights_of_no_class_are_refused(given, got):
    with pytest.raises(ValueError, match=f"`class_weight` .*{got}"):
        border.class_weights(given, 3)


# Inputs.


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("stream", ["labeled", "unlabeled"])
def test_inputs_that_are_not_finite_are_refused(stream, value):
    bad = X.copy()
    bad[1, 1] = value
    x, x_u = (bad, X) if stream == "labeled" else (X, bad)

    assert f": {stream} values must be finite" in _refusal((x, Y), (x_u,))


def test_other_errors_keep_their_traceback():
    with (
        pytest.raises(tf.errors.InvalidArgumentError),
        border.refusals_in_one_line(),
    ):
        tf.debugging.assert_equal(1, 2)
