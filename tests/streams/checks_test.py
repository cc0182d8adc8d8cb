import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.streams import checks


def _dataset(*arrays, batch=2):
    element = arrays if len(arrays) > 1 else arrays[0]
    return tf.data.Dataset.from_tensor_slices(element).batch(batch)


X = np.zeros((4, 8, 8, 1), "float32")
Y = np.array([0, 1, 2, 0])
SCORES = keras.KerasTensor((None, 3))


def test_matching_streams_pass():
    checks.check_pair(_dataset(X, Y), _dataset(X))
    checks.check_pair(_dataset(X, Y), _dataset(X, Y, batch=4))


@pytest.mark.parametrize(
    ("x_u", "received"),
    [
        (np.zeros((4, 28, 28, 1), "float32"), r"\(28, 28, 1\) float32"),
        (np.zeros((4, 8, 8, 1), "uint8"), r"\(8, 8, 1\) uint8"),
    ],
)
@pytest.mark.parametrize("merge", [tpl.merge_streams, tpl.alternate_streams])
def test_different_inputs_are_refused(merge, x_u, received):
    with pytest.raises(ValueError, match=received):
        merge(_dataset(X, Y), _dataset(x_u))


def test_different_structures_are_refused():
    with pytest.raises(ValueError, match="same shape and dtype"):
        tpl.merge_streams(_dataset({"image": X}, Y), _dataset(X))


def test_unknown_dimensions_match_known_ones():
    unknown = tf.data.Dataset.from_generator(
        lambda: iter(X),
        output_signature=tf.TensorSpec([None, None, 1], tf.float32),
    )

    checks.check_pair(_dataset(X, Y), unknown.batch(2))


def test_labels_are_needed():
    with pytest.raises(ValueError, match=r"must yield \(x, y\)"):
        tpl.merge_streams(_dataset(X), _dataset(X))


def test_batches_are_needed():
    rows = tf.data.Dataset.from_tensor_slices((X, Y))

    with pytest.raises(ValueError, match=r"Call \.batch\(\.\.\.\)"):
        tpl.merge_streams(rows, _dataset(X))


def test_labels_that_are_not_finite_are_refused():
    one_hot = np.eye(3, dtype="float32")[Y]
    one_hot[1, 1] = np.nan

    with pytest.raises(ValueError, match="label values must be finite"):
        _drawn(one_hot)


def test_no_dataset_is_refused():
    with pytest.raises(ValueError, match=r"labeled stream .* got ndarray"):
        tpl.merge_streams(X, _dataset(X))


@pytest.mark.parametrize(
    "empty",
    [
        _dataset(X).take(0),
        _dataset(X).filter(lambda x: False),
        tf.data.Dataset.from_tensor_slices(X).batch(5, drop_remainder=True),
    ],
    ids=["take", "filter", "batch larger than the data"],
)
def test_empty_stream_is_refused(empty):
    with pytest.raises(ValueError, match=r"unlabeled stream .* empty"):
        tpl.merge_streams(_dataset(X, Y), empty)


def _drawn(labels, x=X, x_u=X):
    stream = tpl.merge_streams(_dataset(x, labels), _dataset(x_u))
    with checks.refusals_in_one_line():
        return list(checks.check_values(stream, SCORES))


def test_good_values_are_left_as_they_are():
    (x, y), x_u = _drawn(Y)[0]

    np.testing.assert_array_equal(x, X[:2])
    np.testing.assert_array_equal(y, Y[:2])
    np.testing.assert_array_equal(x_u, X[:2])


@pytest.mark.parametrize("wrong", [-1, 3])
def test_labels_outside_the_classes_are_refused(wrong):
    with pytest.raises(ValueError) as error:
        _drawn(np.array([0, 1, wrong, 2]))

    assert str(error.value) == (
        "Batch refused: labels must lie in 0...2, one per output of the "
        f"classifier; got [{wrong}]"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("stream", ["labeled", "unlabeled"])
def test_inputs_that_are_not_finite_are_refused(stream, value):
    bad = X.copy()
    bad[1, 3, 3] = value
    inputs = {"x": bad} if stream == "labeled" else {"x_u": bad}

    with pytest.raises(ValueError, match=f": {stream} values must be finite"):
        _drawn(Y, **inputs)


def test_other_errors_keep_their_traceback():
    with (
        pytest.raises(tf.errors.InvalidArgumentError),
        checks.refusals_in_one_line(),
    ):
        tf.debugging.assert_equal(1, 2)


def _specs(labels):
    return _dataset(X, labels).element_spec


def test_one_hot_labels_of_another_width_are_refused():
    with pytest.raises(ValueError, match=r"labels \(None, 5\) and output"):
        checks.check_labels(_specs(np.zeros((4, 5))), SCORES)


def test_binary_classifier_with_one_output_is_refused():
    with pytest.raises(ValueError, match=r"output is \(None, 1\)"):
        checks.check_labels(_specs(Y), keras.KerasTensor((None, 1)))


def test_several_outputs_are_refused():
    with pytest.raises(ValueError, match="single output; got list of 2"):
        checks.check_labels(_specs(Y), [SCORES, SCORES])
