import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tests.contexts import beliefs_of, linear, model_of, passed, softmax
from tf_pseudolabel.labels.selections import TopShare
from tf_pseudolabel.part import Progress, Spec

PROBABILITIES = np.array(
    [[0.75, 0.125, 0.125], [0.25, 0.5, 0.25], [0, 1, 0], [0.25, 0.25, 0.5]]
)
BELIEFS = beliefs_of(PROBABILITIES, [0, 1, 1, 2])


def _built(**kwargs):
    selection = TopShare(**kwargs)
    selection.build_for(Spec(linear(), (None, 3)))
    return selection


def _top_share(thresholds, epoch=0, **kwargs):
    selection = _built(**kwargs)
    selection.assign(np.array(thresholds, "float32"), epoch)
    return selection


def _weights(selection, beliefs=BELIEFS):
    weights = selection.row_weights(None, beliefs)
    assert weights.dtype == tf.float32
    return weights.numpy().tolist()


def test_every_row_counts_until_the_share_is_measured():
    selection = _built()

    assert _weights(selection) == [1, 1, 1, 1]
    assert selection.epoch == -1


def test_every_class_has_a_threshold_of_its_own():
    assert _weights(_top_share([0.8, 0.9, 0.5])) == [0, 0, 1, 1]
    assert _weights(_top_share([0.75, 0.5, 0.6])) == [1, 1, 1, 0]


def test_the_class_is_that_of_the_largest_score():
    """Where probabilities round, the first of the largest is another class."""
    rounded = beliefs_of([[1.0, 1, 1]], [2])

    assert _weights(_top_share([2.0, 2.0, 0.5]), rounded) == [1]


def test_per_token():
    beliefs = beliefs_of(PROBABILITIES.reshape(2, 2, 3), [[0, 1], [1, 2]])

    assert _weights(_top_share([0.8, 0.5, 0.5]), beliefs) == [[0, 1], [1, 1]]


def test_thresholds_know_their_epoch():
    selection = _top_share([0, 0, 0], epoch=7)
    assert selection.epoch == 7

    selection.measure_again()
    assert selection.epoch == -1


def test_thresholds_move_in_a_traced_step():
    selection = _top_share([0.8, 0.9, 0.5])
    step = tf.function(lambda: selection.row_weights(None, BELIEFS))
    assert step().numpy().tolist() == [0, 0, 1, 1]

    selection.assign(np.zeros(3, "float32"), 1)
    assert step().numpy().tolist() == [1, 1, 1, 1]


def test_it_trains_nothing():
    selection = _top_share([0.1, 0.2, 0.3])

    assert not selection.trainable_variables
    assert len(selection.variables) == 2


# Thresholds are measured by the teacher whose labels are selected.

ROWS = np.random.default_rng(1).normal(size=(60, 4)).astype("float32")


def _surest(probabilities, share):
    """The surest rows of every class, by hand."""
    ids, sure = probabilities.argmax(axis=-1), probabilities.max(axis=-1)
    chosen = np.zeros(len(ids))
    for number in range(3):
        of_class = np.flatnonzero(ids == number)
        count = int(np.ceil(share * len(of_class)))
        chosen[of_class[np.argsort(-sure[of_class])][:count]] = 1
    return chosen


@pytest.mark.parametrize("teacher", ["inference", "training", tpl.Lagged(5)])
def test_a_share_of_what_the_teacher_says_counts(teacher):
    """However far the network has moved from a lagged teacher."""
    model = model_of(teacher=teacher, selection="top_share")
    lagged = isinstance(teacher, tpl.Lagged)
    model.teacher.begin(Progress(model.classifier, 0))
    said = softmax(model.classifier(ROWS).numpy())
    rng = np.random.default_rng(2)
    for variable in model.classifier.weights:
        variable.assign(rng.normal(size=variable.shape) * 3)
    now = softmax(model.classifier(ROWS).numpy())
    scheduler = tpl.ShareScheduler(lambda epoch: 0.2, ROWS)
    scheduler.set_model(model)
    scheduler.on_epoch_begin(1)
    weights = passed(model, unlabeled=(ROWS,)).beliefs.weight.numpy()

    np.testing.assert_array_equal(
        weights, _surest(said if lagged else now, 0.2)
    )
    assert weights.mean() == pytest.approx(0.2, abs=0.05)
    assert (_surest(said, 0.2) != _surest(now, 0.2)).any()


# Saving.


@pytest.mark.parametrize("mean", ["all", "accepted"])
def test_serialization(mean):
    config = keras.saving.serialize_keras_object(TopShare(mean))
    restored = keras.saving.deserialize_keras_object(config)

    assert type(restored) is TopShare
    assert restored.mean == mean
    assert TopShare().mean == "accepted"


def test_thresholds_are_saved_with_the_model(tmp_path):
    model = model_of(selection="top_share")
    model.selection.assign(np.array([0.1, 0.2, 0.3], "float32"), 4)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").selection

    np.testing.assert_allclose(loaded.thresholds, [0.1, 0.2, 0.3])
    assert loaded.epoch == 4
