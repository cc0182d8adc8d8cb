import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.labels import selections

IDS = tf.constant([0, 1, 1, 2], tf.int64)
PROBABILITIES = tf.constant(
    [[0.75, 0.125, 0.125], [0.25, 0.5, 0.25], [0, 1, 0], [0.25, 0.25, 0.5]]
)


def _accepted(selection, ids=IDS, probabilities=PROBABILITIES):
    accepted = selection.accepted(ids, probabilities)
    assert accepted.dtype == tf.float32
    return accepted.numpy().tolist()


def test_all_rows_count():
    assert selections.All().accepted(IDS, PROBABILITIES) is None
    assert selections.All().mean == "all"


# Threshold.


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.0, [1, 1, 1, 1]),
        (0.5, [1, 1, 1, 1]),  # What reaches the threshold counts.
        (np.nextafter(np.float32(0.5), np.float32(1)), [1, 0, 1, 0]),
        (0.75, [1, 0, 1, 0]),
        (1.0, [0, 0, 1, 0]),
    ],
)
def test_rows_count_from_the_threshold_on(threshold, expected):
    assert _accepted(selections.Threshold(threshold)) == expected


def test_threshold_per_pixel():
    accepted = selections.Threshold(0.75).accepted(
        tf.reshape(IDS, [1, 2, 2]), tf.reshape(PROBABILITIES, [1, 2, 2, 3])
    )

    assert accepted.numpy().tolist() == [[[1, 0], [1, 0]]]


def test_threshold_defaults_to_the_literature():
    assert selections.Threshold().get_config() == {
        "threshold": 0.95,
        "mean": "all",
    }


@pytest.mark.parametrize("threshold", [-0.1, 1.1, 95, float("nan")])
def test_threshold_that_is_no_probability_is_refused(threshold):
    with pytest.raises(ValueError, match=f"got {threshold}"):
        selections.Threshold(threshold)


@pytest.mark.parametrize("kind", [selections.Threshold, selections.TopShare])
def test_unknown_mean_is_refused(kind):
    with pytest.raises(ValueError, match=r"'all', 'accepted'.*; got 'half'"):
        kind(mean="half")


# TopShare.


def _top_share(thresholds, epoch=0, **kwargs):
    selection = selections.TopShare(**kwargs)
    selection.build((None, 3))
    selection.assign(np.array(thresholds, "float32"), epoch)
    return selection


def test_every_row_counts_until_the_share_is_measured():
    selection = selections.TopShare()
    selection.build((None, 3))

    assert _accepted(selection) == [1, 1, 1, 1]
    assert selection.epoch == -1


def test_every_class_has_a_threshold_of_its_own():
    assert _accepted(_top_share([0.8, 0.9, 0.5])) == [0, 0, 1, 1]
    assert _accepted(_top_share([0.75, 0.5, 0.6])) == [1, 1, 1, 0]


def test_the_class_is_that_of_the_largest_score():
    """Where probabilities round, the first of the largest is another class."""
    selection = _top_share([2.0, 2.0, 0.5])
    rounded, two = tf.ones([1, 3]), tf.constant([2], tf.int64)

    assert _accepted(selection, two, rounded) == [1]


def test_top_share_per_token():
    selection = _top_share([0.8, 0.5, 0.5])
    accepted = selection.accepted(
        tf.reshape(IDS, [2, 2]), tf.reshape(PROBABILITIES, [2, 2, 3])
    )

    assert accepted.numpy().tolist() == [[0, 1], [1, 1]]


def test_thresholds_know_their_epoch():
    selection = _top_share([0, 0, 0], epoch=7)
    assert selection.epoch == 7

    selection.measure_again()
    assert selection.epoch == -1


def test_thresholds_move_in_a_traced_step():
    selection = _top_share([0.8, 0.9, 0.5])
    step = tf.function(lambda: selection.accepted(IDS, PROBABILITIES))
    assert step().numpy().tolist() == [0, 0, 1, 1]

    selection.assign(np.zeros(3, "float32"), 1)
    assert step().numpy().tolist() == [1, 1, 1, 1]


def test_top_share_trains_nothing():
    selection = _top_share([0.1, 0.2, 0.3])

    assert not selection.trainable_variables
    assert len(selection.variables) == 2


# Saving.


@pytest.mark.parametrize(
    "selection",
    [
        selections.All(),
        selections.Threshold(0.7, mean="accepted"),
        selections.TopShare(mean="all"),
        _top_share([0.1, 0.2, 0.3]),
    ],
    ids=lambda selection: type(selection).__name__,
)
def test_serialization(selection):
    config = keras.saving.serialize_keras_object(selection)
    restored = keras.saving.deserialize_keras_object(config)

    assert type(restored) is type(selection)
    assert restored.get_config() == selection.get_config()
    assert restored.mean == selection.mean


def test_names():
    found = {name: kind() for name, kind in selections.SELECTIONS.items()}

    assert found.keys() == {"all", "threshold", "top_share"}
    assert [found[name].mean for name in ("threshold", "top_share")] == [
        "all",
        "accepted",
    ]
