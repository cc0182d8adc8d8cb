import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.streams import checks
from tf_pseudolabel.views import Viewed


def _dataset(*arrays, batch=2):
    element = arrays if len(arrays) > 1 else arrays[0]
    return tf.data.Dataset.from_tensor_slices(element).batch(batch)


X = np.zeros((4, 8, 8, 1), "float32")
Y = np.array([0, 1, 2, 0])
SCORES = keras.KerasTensor((None, 3))
OF_TOKENS = keras.KerasTensor((None, 5, 3))
SINGLE = keras.KerasTensor((None, 1))


def _spec(*shape, dtype="float32"):
    return tf.TensorSpec([None, *shape], dtype)


# Two streams.


def test_matching_streams_pass():
    checks.check_pair(_dataset(X, Y), _dataset(X))
    checks.check_pair(_dataset(X, Y), _dataset(X, Y, batch=4))
    checks.check_pair(_dataset(X, Y), _dataset(X).map(lambda x: Viewed(x, x)))


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
    with pytest.raises(ValueError, match="same structure, shape and dtype"):
        tpl.merge_streams(_dataset({"image": X}, Y), _dataset(X))


def test_two_inputs_in_a_bare_pair_are_told_how():
    """`(a, b)` is read as inputs and labels, as everywhere in Keras."""
    labeled = _dataset((X, X), Y)

    with pytest.raises(ValueError, match=r"two inputs .* are \(\(a, b\),\)"):
        tpl.merge_streams(labeled, _dataset(X, X))
    wrapped = tf.data.Dataset.from_tensor_slices(((X, X),)).batch(2)
    checks.check_pair(labeled, wrapped)


def test_unknown_dimensions_match_known_ones():
    unknown = tf.data.Dataset.from_generator(
        lambda: iter(X),
        output_signature=tf.TensorSpec([None, None, 1], tf.float32),
    )

    checks.check_pair(_dataset(X, Y), unknown.batch(2))


@pytest.mark.parametrize("which", ["labeled", "unlabeled"])
def test_a_stream_of_unknown_rank_is_refused(which):
    def forgets(x):
        return tf.numpy_function(lambda x: x, [x], tf.float32)

    streams = {"labeled": _dataset(X, Y), "unlabeled": _dataset(X)}
    streams[which] = streams[which].map(lambda x, *y: (forgets(x), *y))

    with pytest.raises(ValueError, match=f"The {which} stream .*ensure_shape"):
        tpl.merge_streams(**streams)


def test_labels_are_needed():
    with pytest.raises(ValueError, match=r"must yield \(x, y\)"):
        tpl.merge_streams(_dataset(X), _dataset(X))


def test_batches_are_needed():
    rows = tf.data.Dataset.from_tensor_slices((X, Y))

    with pytest.raises(ValueError, match=r"Call \.batch\(\.\.\.\)"):
        tpl.merge_streams(rows, _dataset(X))


def test_no_dataset_is_refused():
    with pytest.raises(ValueError, match=r"labeled stream .* got ndarray"):
        tpl.merge_streams(X, _dataset(X))


@pytest.mark.parametrize(
    "empty",
    [
        _dataset(X).take(0),
        tf.data.Dataset.from_tensor_slices(X).batch(5, drop_remainder=True),
    ],
    ids=["take", "batch larger than the data"],
)
def test_empty_stream_is_refused(empty):
    with pytest.raises(ValueError, match=r"unlabeled stream .* empty"):
        tpl.merge_streams(_dataset(X, Y), empty)


def test_views_of_two_shapes_are_refused():
    views = _dataset(X).map(lambda x: Viewed(x, x[:, :4]))

    with pytest.raises(ValueError, match="Both views"):
        tpl.merge_streams(_dataset(X, Y), views)


def test_is_pair_of_streams():
    labeled = _dataset(X, Y)

    assert checks.is_pair_of_streams(tpl.merge_streams(labeled, _dataset(X)))
    assert checks.is_pair_of_streams(tpl.labeled_alone(labeled))
    assert checks.is_pair_of_streams(
        tpl.alternate_streams(labeled, _dataset(X, Y))
    )
    assert not checks.is_pair_of_streams(labeled)
    # A tuple in a tuple, too.
    assert not checks.is_pair_of_streams(_dataset((X, X), Y))
    assert not checks.is_pair_of_streams(np.zeros(3))


# The classifier's output.


@pytest.mark.parametrize("scores", [SCORES, OF_TOKENS, SINGLE])
def test_scores_of_classes_pass(scores):
    checks.check_scores(scores)


def test_several_outputs_are_refused():
    with pytest.raises(ValueError, match="single output; got list of 2"):
        checks.check_scores([SCORES, SCORES])


@pytest.mark.parametrize("shape", [(None,), (None, None)])
def test_scores_without_an_axis_of_classes_are_refused(shape):
    with pytest.raises(ValueError, match="a single one for two classes; got"):
        checks.check_scores(keras.KerasTensor(shape))


# Labels.


@pytest.mark.parametrize(
    ("labels", "scores"),
    [
        (_spec(dtype="int64"), SCORES),
        (_spec(dtype="uint8"), SCORES),
        (_spec(dtype="bool"), SCORES),
        (_spec(1, dtype="int32"), SCORES),
        (_spec(3), SCORES),
        (_spec(5, dtype="int64"), OF_TOKENS),
        (_spec(None, dtype="int64"), OF_TOKENS),
        (_spec(5, 3), OF_TOKENS),
    ],
    ids=str,
)
def test_labels_of_either_form_pass(labels, scores):
    checks.check_labels("Labels", labels, scores)


@pytest.mark.parametrize(
    ("labels", "scores", "got"),
    [
        (_spec(5), SCORES, r"got \(batch, 5\)"),
        (_spec(3, 3), SCORES, r"got \(batch, 3, 3\)"),
        (_spec(4, dtype="int64"), OF_TOKENS, r"got \(batch, 4\)"),
        (_spec(dtype="int64"), OF_TOKENS, r"got \(batch,\)"),
        (_spec(dtype="string"), SCORES, "got strings.*StringLookup"),
        ((_spec(), _spec()), SCORES, "one tensor; got tuple of 2"),
    ],
    ids=str,
)
def test_labels_that_do_not_fit_are_refused(labels, scores, got):
    with pytest.raises(ValueError, match=got):
        checks.check_labels("Labels", labels, scores)


@pytest.mark.parametrize(
    ("labels", "scores"),
    [
        (_spec(dtype="bool"), SINGLE),
        (_spec(1), SINGLE),
        (_spec(3, dtype="int64"), SCORES),
        (_spec(5, 3), OF_TOKENS),
        (_spec(None, dtype="int64"), keras.KerasTensor((None, 5, 1))),
    ],
    ids=str,
)
def test_answers_have_the_shape_of_the_scores(labels, scores):
    checks.check_labels("Labels", labels, scores, questions=True)


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        (_spec(2), SINGLE, r"\(batch,\) or \(batch, 1\); got \(batch, 2\)"),
        (_spec(), SCORES, r"each output .*, \(batch, 3\); got \(batch,\)"),
        (_spec(5), OF_TOKENS, r"\(batch, 5, 3\); got \(batch, 5\)"),
        (_spec(dtype="string"), SINGLE, "got strings"),
    ],
    ids=str,
)
def test_answers_to_other_questions_are_refused(labels, scores, message):
    with pytest.raises(ValueError, match=message):
        checks.check_labels("Labels", labels, scores, questions=True)


def test_a_second_view_is_no_label():
    with pytest.raises(ValueError, match="Viewed"):
        checks.check_labels("Labels", _spec(8, 8, 1), SCORES, views=True)


# Weights.


@pytest.mark.parametrize(
    ("weight", "scores"),
    [
        (_spec(), SCORES),
        (_spec(1), SCORES),
        (_spec(1, 1, dtype="float64"), SCORES),
        (_spec(dtype="int64"), SCORES),
        (_spec(), OF_TOKENS),
        (_spec(1), OF_TOKENS),
        (_spec(5), OF_TOKENS),
        (_spec(5, 1), OF_TOKENS),
        (_spec(None), OF_TOKENS),
    ],
    ids=str,
)
def test_weights_of_rows_and_of_positions_pass(weight, scores):
    checks.check_weight("labeled", weight, scores)


@pytest.mark.parametrize(
    ("weight", "scores"),
    [
        (_spec(3), SCORES),
        (_spec(4), OF_TOKENS),
        (_spec(5, 3), OF_TOKENS),
        (_spec(dtype="string"), SCORES),
    ],
    ids=str,
)
def test_weights_of_something_else_are_refused(weight, scores):
    with pytest.raises(ValueError, match="weights of the unlabeled stream"):
        checks.check_weight("unlabeled", weight, scores)


@pytest.mark.parametrize(
    "of_batch", [tf.sparse.from_dense, tf.RaggedTensor.from_tensor]
)
def test_streams_that_are_taken_apart_are_dense(of_batch):
    labeled = _dataset(X, Y).map(lambda x, y: (of_batch(x), y))
    unlabeled = _dataset(X).map(of_batch)

    with pytest.raises(ValueError, match=r"labeled stream must yield dense"):
        tpl.alternate_streams(labeled, unlabeled)
    with pytest.raises(ValueError, match=r"labeled dataset must yield dense"):
        tpl.split_partially_labeled(labeled)
