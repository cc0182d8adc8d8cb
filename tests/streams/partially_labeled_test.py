import collections
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl

X = np.arange(10, dtype="float32")[:, None]
Y = np.array([0, -1, 1, -1, -1, -1, -1, 2, 0, -1])
LABELED, UNLABELED = [0, 2, 7, 8], [1, 3, 4, 5, 6, 9]
ONE_HOT = (np.eye(4)[Y] * (Y >= 0)[:, None]).astype("float32")
NAN = float("nan")


def _dataset(*arrays, batch=3):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(batch)


def _split(y, *weight, **sizes):
    return tpl.split_partially_labeled(_dataset(X, y, *weight), **sizes)


def _rows(stream):
    return [[int(v) for v in x[:, 0]] for x, *_ in stream]


def test_rows_are_put_together_again():
    """In their order, into batches of the sizes that were asked for."""
    labeled, unlabeled = _split(Y, labeled_batch=3, unlabeled_batch=4)

    assert _rows(labeled) == [[0, 2, 7], [8]]
    assert _rows(unlabeled) == [[1, 3, 4, 5], [6, 9]]
    assert labeled.cardinality() == tf.data.UNKNOWN_CARDINALITY


def test_labels_and_weights_go_with_their_rows():
    weight = np.arange(10) / 10
    labeled, unlabeled = _split(Y, weight)
    ((_, y, w),) = labeled
    ((_, hidden, w_u),) = unlabeled

    np.testing.assert_array_equal(y, Y[LABELED])
    np.testing.assert_array_equal(w, weight[LABELED])
    np.testing.assert_array_equal(w_u, weight[UNLABELED])
    assert hidden is None


def test_the_unlabeled_stream_has_no_labels():
    ((x,),) = _split(Y)[1]
    np.testing.assert_array_equal(x[:, 0], UNLABELED)


@pytest.mark.parametrize(
    "y",
    [
        Y.astype("int8"),
        Y.astype("float32"),
        np.where(Y < 0, NAN, Y),
        Y[:, None],
        np.where(Y < 0, NAN, Y)[:, None].astype("float32"),
        ONE_HOT,
        ONE_HOT.astype(bool),
        np.where(Y[:, None] < 0, NAN, ONE_HOT),
        np.where(Y[:, None] < 0, -1, ONE_HOT),
        # Ids of positions: zeros are a class, and some may be unknown.
        np.stack([Y, Y], axis=1),
        np.stack([Y, np.where(Y < 0, -1, [-1, 0] * 5)], axis=1),
        np.tile(Y[:, None, None], [1, 2, 3]),
    ],
    ids=lambda y: f"{y.dtype} {y.shape}",
)
def test_labels_of_every_form(y):
    labeled, unlabeled = _split(y)
    ((_, found),) = labeled

    assert found.dtype == y.dtype
    np.testing.assert_array_equal(found, y[LABELED])
    assert _rows(unlabeled) == [UNLABELED]


def test_unsigned_labels_are_all_known():
    labeled, unlabeled = _split(np.abs(Y).astype("uint8"))

    assert _rows(labeled) == [list(range(10))]
    assert _rows(unlabeled) == []


def test_rows_come_lazily():
    """And a batch without a row of a kind is none of that kind."""
    drawn = []

    def batches():
        for first in range(0, 10, 2):
            drawn.append(first)
            yield X[first : first + 2], Y[first : first + 2]

    signature = tf.TensorSpec([None, 1]), tf.TensorSpec([None], tf.int64)
    dataset = tf.data.Dataset.from_generator(
        batches, output_signature=signature
    )
    labeled, _ = tpl.split_partially_labeled(dataset, 1, 1)
    assert drawn == []
    assert _rows(labeled.take(1)) == [[0]]
    assert _rows(labeled) == [[0], [2], [7], [8]]


def test_inputs_of_any_structure():
    x = {"a": X, "b": (X, np.array([str(row) for row in range(10)]))}
    labeled, unlabeled = tpl.split_partially_labeled(_dataset(x, Y))
    ((found, _),) = labeled
    ((found_u,),) = unlabeled

    assert list(found["b"][1].numpy()) == [b"0", b"2", b"7", b"8"]
    np.testing.assert_array_equal(found_u["a"][:, 0], UNLABELED)


def test_elements_with_names():
    Element = collections.namedtuple("Element", "x y")
    dataset = _dataset(X, Y).map(Element)
    labeled, _ = tpl.split_partially_labeled(dataset)

    assert _rows(labeled) == [LABELED]


def test_fit():
    classifier = keras.Sequential([keras.layers.Dense(3)])
    model = tpl.PseudoLabelModel(classifier)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    weight = np.linspace(0, 1, 10)
    stream = tpl.merge_streams(
        *_split(Y, weight, labeled_batch=2, unlabeled_batch=4)
    )
    model.alpha.assign(1.0)
    history = model.fit(stream, epochs=2, verbose=0).history

    assert history["unlabeled_loss"][1] > 0
    assert int(model.optimizer.iterations.numpy()) == 4


@pytest.mark.parametrize(
    ("y", "text"),
    [
        (np.full(10, -1), r"repeats .* must yield batches; got none"),
        (np.arange(10), "Both streams must yield batches; got none"),
    ],
    ids=["no labels", "all labels"],
)
def test_a_stream_without_rows_is_refused_by_fit(y, text):
    model = tpl.PseudoLabelModel(keras.Sequential([keras.layers.Dense(10)]))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True))
    stream = tpl.merge_streams(*_split(y))

    with pytest.raises(ValueError) as error:
        model.fit(stream, verbose=0)
    assert re.search(text, str(error.value))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("dataset", "text"),
    [
        ((X, Y), "must be a batched tf.data.Dataset; got tuple.*from_arrays"),
        (_dataset(X), r"must yield \(x, y\) or"),
        (_dataset(X, (Y, Y)), r"must yield \(x, y\) or"),
        (_dataset(X, Y.astype(str)), "with numbers in y"),
        (_dataset(X, Y).unbatch(), r"got labels of .* Call \.batch\(\.\.\.\)"),
        (
            _dataset(X, Y).map(
                lambda x, y: (x, tf.numpy_function(np.abs, [y], tf.int64))
            ),
            "tf.ensure_shape",
        ),
    ],
    ids=["arrays", "no labels", "two labels", "strings", "rows", "no rank"],
)
def test_refusals(dataset, text):
    with pytest.raises(ValueError) as error:
        tpl.split_partially_labeled(dataset)
    assert re.search(text, str(error.value))
    assert "\n" not in str(error.value)


def test_sizes_that_are_none_are_refused():
    with pytest.raises(ValueError, match="`labeled_batch` must be an"):
        _split(Y, labeled_batch=0)
