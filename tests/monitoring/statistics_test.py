import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.monitoring.statistics import PseudoLabelStatistics

CLASSES = 3
RNG = np.random.default_rng(0)
PROBABILITIES = RNG.dirichlet(np.ones(CLASSES), size=40).astype("float32")
IDS = PROBABILITIES.argmax(axis=-1)
ACCEPTED = (PROBABILITIES.max(axis=-1) > 0.7).astype("float32")
HIDDEN = RNG.integers(CLASSES, size=40)
LABELED = np.array([0, 0, 0, 1, 2])


def _statistics():
    statistics = PseudoLabelStatistics()
    statistics.build(CLASSES)
    return statistics


def _gathered(probabilities=PROBABILITIES, accepted=None, hidden=None):
    statistics = _statistics()
    _update(statistics, probabilities, accepted, hidden)
    return statistics.summary()


def _update(statistics, probabilities, accepted=None, hidden=None):
    statistics.update_state(
        tf.constant(probabilities),
        tf.argmax(probabilities, axis=-1),
        None if accepted is None else tf.constant(accepted),
        None if hidden is None else tf.constant(hidden, tf.int64),
    )


def _sure_of(confidence):
    """Rows of two classes, of which the first is as likely as that."""
    confidence = np.array(confidence, "float32")
    return np.stack([confidence, 1 - confidence, 0 * confidence], axis=-1)


def _calibration_error(probabilities, hidden):
    """Guo et al. (2017), equation 3, bin by bin."""
    confidence = probabilities.max(axis=-1)
    correct = probabilities.argmax(axis=-1) == hidden
    error = 0.0
    for bin_ in range(15):
        low, high = bin_ / 15, (bin_ + 1) / 15
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            gap = abs(correct[inside].mean() - confidence[inside].mean())
            error += inside.mean() * gap
    return error


# One batch.


def test_coverage_is_the_share_of_rows_that_count():
    assert _gathered()["coverage"] == 1
    assert _gathered(accepted=ACCEPTED)["coverage"] == pytest.approx(
        ACCEPTED.mean()
    )


def test_confidence_is_the_mean_largest_probability():
    rows = [[0.5, 0.25, 0.25], [0, 0, 1]]

    assert _gathered(np.array(rows, "float32"))["confidence"] == 0.75
    assert _gathered()["confidence"] == pytest.approx(
        PROBABILITIES.max(axis=-1).mean(), rel=1e-5
    )


def test_entropy_in_nats():
    """0 log 0 is 0."""
    rows = np.array([[0.5, 0.5, 0], [0, 1, 0]], "float32")

    assert _gathered(rows)["entropy"] == pytest.approx(np.log(2) / 2)
    assert _gathered()["entropy"] == pytest.approx(
        -(PROBABILITIES * np.log(PROBABILITIES)).sum(axis=-1).mean(), rel=1e-5
    )


def test_accuracy_of_all_and_of_those_that_count():
    found = _gathered(accepted=ACCEPTED, hidden=HIDDEN)
    correct = IDS == HIDDEN

    assert found["pseudo_label_accuracy"] == pytest.approx(correct.mean())
    assert found["accepted_accuracy"] == pytest.approx(
        correct[ACCEPTED > 0].mean()
    )
    assert found["accepted_accuracy"] != found["pseudo_label_accuracy"]


def test_calibration_error_of_fifteen_bins():
    assert _gathered(hidden=HIDDEN)["calibration_error"] == pytest.approx(
        _calibration_error(PROBABILITIES, HIDDEN), rel=1e-4
    )


def test_calibration_error_by_hand():
    """Three rows near 0.7, two of them right; two certain ones, one right."""
    rows = _sure_of([0.69, 0.70, 0.71, 1.0, 1.0])
    hidden = np.array([0, 0, 1, 0, 2])

    expected = (3 * abs(2 / 3 - 0.7) + 2 * abs(1 / 2 - 1)) / 5
    assert _gathered(rows, hidden=hidden)["calibration_error"] == pytest.approx(
        expected, rel=1e-5
    )


def test_certainty_belongs_to_the_last_bin():
    """Beside 0.95, which is in it, too, errors cancel."""
    rows = _sure_of([0.95, 1.0, 1.0, 1.0])
    hidden = np.array([0, 0, 0, 1])

    assert _gathered(rows, hidden=hidden)["calibration_error"] == pytest.approx(
        abs(3 / 4 - 3.95 / 4), rel=1e-5
    )


@pytest.mark.parametrize("border", [9, 10, 12])
def test_the_border_belongs_to_the_bin_below(border):
    """Of Guo et al., equation 3: bins are ((m - 1) / M, m / M]."""
    # A right row on the border: with the one below, or with the one above.
    below, above = border / 15 - 0.02, border / 15 + 0.02
    rows = _sure_of([below, border / 15, above])
    hidden = np.array([1, 0, 1])
    together = abs(1 - below - border / 15) + above

    assert _gathered(rows, hidden=hidden)["calibration_error"] == pytest.approx(
        together / 3, rel=1e-5
    )


def test_probabilities_of_0_are_in_the_first_bin():
    """Sigmoids may all be near 0."""
    rows = np.zeros([2, CLASSES], "float32")

    found = _gathered(rows, hidden=np.array([0, 1]))
    assert found["calibration_error"] == pytest.approx(1 / 2)


def test_masks_and_labels_of_rows_are_those_of_their_positions():
    """Of questions of tokens: padding has none; a row without labels is one."""
    statistics = PseudoLabelStatistics()
    statistics.build(2, several=True)
    yes = np.array([[[0.9, 0.2], [0.6, 0.7]], [[0.8, 0.9], [0.1, 0.3]]], "f4")
    p = tf.constant(np.stack([1 - yes, yes], axis=-1))
    mask = tf.constant([[True, False], [True, True]])
    for hidden in ([-1, 1], [[-1, -1], [1, 1]]):
        statistics.reset_state()
        statistics.update_state(
            p, tf.argmax(p, -1), None, tf.constant(hidden, tf.int64), mask
        )
        statistics.count_labeled(tf.constant([[[1, 0], [1, 1]]]), mask[:1])
        found = statistics.summary()

        there = yes[[0, 1, 1], [0, 0, 1]]
        assert found["confidence"] == pytest.approx(
            np.maximum(there, 1 - there).mean()
        )
        assert found["pseudo_label_accuracy"] == pytest.approx(2 / 4)
        # Yes: of tokens that are there, twice the first class and once another.
        np.testing.assert_allclose(found["class_shares"], [2 / 3, 1 / 3])
        np.testing.assert_allclose(found["labeled_shares"], [1, 0])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_many_classes_are_counted_without_an_array_of_each_row(jit_compile):
    """A class that is none, padding or ignored, is left out."""
    statistics = PseudoLabelStatistics()
    statistics.build(1000)
    count = tf.function(statistics.count_labeled, jit_compile=jit_compile)
    count(tf.constant([999, 0, 999, 1000, -1, 2**40], tf.int64))

    shares = statistics.summary()["labeled_shares"]
    assert shares[[0, 999]].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert not shares[1:999].any()
    operations = count.get_concrete_function(
        tf.TensorSpec([6], tf.int64)
    ).graph.get_operations()
    assert (6, 1000) not in [
        tuple(tensor.shape)
        for operation in operations
        for tensor in operation.outputs
        if tensor.shape.rank == 2
    ]


def test_rows_per_bin_of_confidence():
    expected = np.zeros(15)
    np.add.at(
        expected, np.ceil(PROBABILITIES.max(axis=-1) * 15).astype(int) - 1, 1
    )
    np.testing.assert_array_equal(_gathered()["confidences"], expected)


def test_labeled_shares_are_of_the_labeled_rows():
    statistics = _statistics()
    statistics.count_labeled(tf.constant([0, 0, 1, 2], tf.int64))
    np.testing.assert_allclose(
        statistics.summary()["labeled_shares"][:3], [0.5, 0.25, 0.25]
    )


def test_class_shares_are_of_the_rows_that_count():
    kept = IDS[ACCEPTED > 0]

    np.testing.assert_allclose(
        _gathered(accepted=ACCEPTED)["class_shares"],
        np.bincount(kept, minlength=CLASSES) / len(kept),
    )
    np.testing.assert_allclose(
        _gathered()["class_shares"], np.bincount(IDS, minlength=CLASSES) / 40
    )


def test_class_distance_by_hand():
    statistics = _statistics()
    statistics.count_labeled(tf.constant(LABELED, tf.int64))
    _update(statistics, np.eye(CLASSES, dtype="float32")[[0, 1, 1, 1]])

    # 1/4, 3/4, 0 and 3/5, 1/5, 1/5.
    assert statistics.summary()["class_distance"] == pytest.approx(
        (7 / 20 + 11 / 20 + 4 / 20) / 2
    )


@pytest.mark.parametrize(("labeled", "distance"), [([1], 0), ([0, 2], 1)])
def test_class_distance_lies_between_0_and_1(labeled, distance):
    statistics = _statistics()
    statistics.count_labeled(tf.constant(labeled, tf.int64))
    _update(statistics, np.eye(CLASSES, dtype="float32")[[1, 1]])

    assert statistics.summary()["class_distance"] == distance


# What is not known.


def _unknown(summary):
    return {name for name, value in summary.items() if np.isnan(value).any()}


def test_nothing_is_known_before_the_first_update():
    found = _statistics().summary()

    # How many rows are in a bin is known: none.
    assert _unknown(found) == set(found) - {"confidences"}
    assert found["class_shares"].shape == (CLASSES,)


def test_accuracies_are_unknown_without_hidden_labels():
    statistics = _statistics()
    statistics.count_labeled(tf.constant(LABELED, tf.int64))
    _update(statistics, PROBABILITIES)

    assert _unknown(statistics.summary()) == {
        "pseudo_label_accuracy",
        "accepted_accuracy",
        "calibration_error",
    }


def test_the_accuracy_of_no_accepted_row_is_unknown():
    found = _gathered(accepted=np.zeros(40, "float32"), hidden=HIDDEN)

    assert found["coverage"] == 0
    assert _unknown(found) == {
        "accepted_accuracy",
        "class_distance",
        "class_shares",
        "labeled_shares",
    }


def test_class_distance_is_unknown_without_labeled_rows():
    assert "class_distance" in _unknown(_gathered(hidden=HIDDEN))


# Several updates, and other shapes.


def _assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)


def test_updates_add_up():
    statistics = _statistics()
    for rows in (slice(0, 7), slice(7, 8), slice(8, 40)):
        _update(statistics, PROBABILITIES[rows], ACCEPTED[rows], HIDDEN[rows])

    _assert_same(
        {**statistics.summary(), "class_distance": np.nan},
        _gathered(accepted=ACCEPTED, hidden=HIDDEN),
    )


def test_sequences_are_their_tokens():
    found = _gathered(
        PROBABILITIES.reshape(5, 8, CLASSES),
        ACCEPTED.reshape(5, 8),
        HIDDEN.reshape(5, 8),
    )

    _assert_same(found, _gathered(accepted=ACCEPTED, hidden=HIDDEN))


def test_padding_is_left_out_of_everything():
    mask = np.arange(40) % 3 > 0
    statistics = _statistics()
    statistics.update_state(
        tf.constant(PROBABILITIES),
        tf.constant(IDS, tf.int64),
        tf.constant(ACCEPTED),
        tf.constant(HIDDEN, tf.int64),
        tf.constant(mask),
    )
    statistics.count_labeled(
        tf.constant([[0, 1], [2, 2]], tf.int64),
        tf.constant([[True, False], [False, True]]),
    )
    expected = _gathered(PROBABILITIES[mask], ACCEPTED[mask], HIDDEN[mask])
    found = statistics.summary()

    np.testing.assert_allclose(found["labeled_shares"], [0.5, 0, 0.5])
    known = set(expected) - {"class_distance", "labeled_shares"}
    _assert_same(
        {name: found[name] for name in known},
        {name: expected[name] for name in known},
    )


def test_labels_that_are_not_known_are_neither_right_nor_wrong():
    hidden = np.where(np.arange(40) % 2, HIDDEN, -1)
    found, expected = (
        _gathered(accepted=ACCEPTED, hidden=hidden),
        _gathered(PROBABILITIES[1::2], ACCEPTED[1::2], HIDDEN[1::2]),
    )

    for name in ("pseudo_label_accuracy", "accepted_accuracy"):
        assert found[name] == pytest.approx(expected[name])
    assert found["calibration_error"] == pytest.approx(
        expected["calibration_error"], rel=1e-5
    )
    assert found["coverage"] == pytest.approx(ACCEPTED.mean())
    unknown = _gathered(hidden=np.full(40, -1))
    assert np.isnan(unknown["pseudo_label_accuracy"])


def test_rows_may_count_in_part():
    part = np.linspace(0, 1, 40, dtype="float32")
    found = _gathered(accepted=part, hidden=HIDDEN)

    assert found["coverage"] == pytest.approx(part.mean(), rel=1e-5)
    assert found["accepted_accuracy"] == pytest.approx(
        part[IDS == HIDDEN].sum() / part.sum(), rel=1e-5
    )
    np.testing.assert_allclose(
        found["class_shares"],
        np.bincount(IDS, part, CLASSES) / part.sum(),
        rtol=1e-5,
    )


def test_labels_outside_of_the_classes_are_no_class():
    statistics = _statistics()
    statistics.count_labeled(tf.constant([0, -1, 255], tf.int64))

    np.testing.assert_allclose(
        statistics.summary()["labeled_shares"], [1, 0, 0]
    )


def test_an_empty_batch_adds_nothing():
    statistics = _statistics()
    _update(statistics, PROBABILITIES, ACCEPTED, HIDDEN)
    _update(statistics, PROBABILITIES[:0], ACCEPTED[:0], HIDDEN[:0])

    _assert_same(
        statistics.summary(), _gathered(accepted=ACCEPTED, hidden=HIDDEN)
    )


def test_reset_forgets():
    statistics = _statistics()
    statistics.count_labeled(tf.constant(LABELED, tf.int64))
    _update(statistics, PROBABILITIES, hidden=HIDDEN)
    statistics.reset_state()

    found = statistics.summary()
    assert _unknown(found) == set(found) - {"confidences"}


def test_building_again_keeps_what_was_gathered():
    statistics = _statistics()
    _update(statistics, PROBABILITIES)
    statistics.build(CLASSES)

    assert statistics.summary()["coverage"] == 1


# What is logged.


def test_only_what_is_shown_is_a_result():
    statistics = _statistics()
    _update(statistics, PROBABILITIES, ACCEPTED, HIDDEN)
    assert statistics.result() == {}

    statistics.shown = ("coverage", "pseudo_label_accuracy")
    found = {name: float(value) for name, value in statistics.result().items()}
    assert found == {
        "coverage": pytest.approx(ACCEPTED.mean()),
        "pseudo_label_accuracy": pytest.approx((IDS == HIDDEN).mean()),
    }


def test_a_result_without_rows_is_nan():
    statistics = _statistics()
    statistics.shown = ("pseudo_label_accuracy",)

    assert np.isnan(statistics.result()["pseudo_label_accuracy"])


# Replicas.


def test_two_replicas_gather_what_one_does(two_replicas):
    with two_replicas.scope():
        statistics = _statistics()
    halves = [slice(0, 13), slice(13, 40)]

    def of_replica(context):
        rows = halves[context.replica_id_in_sync_group]
        return PROBABILITIES[rows], ACCEPTED[rows], HIDDEN[rows]

    parts = [
        two_replicas.experimental_distribute_values_from_function(
            lambda context, part=part: tf.constant(of_replica(context)[part])
        )
        for part in range(3)
    ]

    @tf.function
    def update(*parts):
        def of_one(probabilities, accepted, hidden):
            ids = tf.argmax(probabilities, axis=-1)
            statistics.update_state(probabilities, ids, accepted, hidden)

        two_replicas.run(of_one, args=parts)

    update(*parts)

    _assert_same(
        statistics.summary(), _gathered(accepted=ACCEPTED, hidden=HIDDEN)
    )


def test_fit_gathers_labels_and_pseudo_labels():
    x = RNG.normal(size=(10, 4)).astype("float32")
    keras.utils.set_random_seed(1)
    model = tpl.PseudoLabelModel(
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(CLASSES)]),
        selection=tpl.Threshold(0.5),
    )
    model.compile(
        keras.optimizers.SGD(0.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
    )
    model.alpha.assign(1.0)
    labeled = tf.data.Dataset.from_tensor_slices((x[:5], LABELED))
    unlabeled = tf.data.Dataset.from_tensor_slices((x, HIDDEN[:10]))
    logs = model.fit(
        tpl.merge_streams(labeled.batch(5), unlabeled.batch(5)), verbose=0
    ).history
    found = model.statistics.summary()
    p = tf.nn.softmax(model.classifier(x)).numpy()
    ids, sure = p.argmax(axis=-1), p.max(axis=-1) >= 0.5
    shares = np.bincount(ids[sure], minlength=CLASSES) / sure.sum()

    assert 0 < sure.sum() < 10
    assert logs["coverage"] == [pytest.approx(sure.mean())]
    np.testing.assert_allclose(found["class_shares"], shares)
    assert found["class_distance"] == pytest.approx(
        np.abs(shares - np.array([3, 1, 1]) / 5).sum() / 2
    )
    assert found["accepted_accuracy"] == pytest.approx(
        (ids == HIDDEN[:10])[sure].mean()
    )
