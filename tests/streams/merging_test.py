import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.streams import merging


def _labeled(rows=5, batch=2):
    x = np.arange(rows, dtype="float32")[:, None]
    return tf.data.Dataset.from_tensor_slices((x, np.arange(rows))).batch(batch)


def _unlabeled(rows=9, batch=3):
    x = 100 + np.arange(rows, dtype="float32")[:, None]
    return tf.data.Dataset.from_tensor_slices(x).batch(batch)


def _rows(stream):
    """Each pair as (labeled rows, unlabeled rows), by their only feature."""
    return [
        ([int(v) for v in labeled[0][:, 0]], [int(v) for v in unlabeled[:, 0]])
        for labeled, unlabeled in stream
    ]


def test_unlabeled_epoch_repeats_the_labels():
    stream = tpl.merge_streams(_labeled(rows=3), _unlabeled())

    assert len(stream) == 3
    assert _rows(stream) == [
        ([0, 1], [100, 101, 102]),
        ([2], [103, 104, 105]),
        ([0, 1], [106, 107, 108]),
    ]


def test_labeled_epoch_repeats_the_unlabeled():
    stream = tpl.merge_streams(_labeled(), _unlabeled(rows=4), epoch="labeled")

    assert len(stream) == 3
    assert _rows(stream) == [
        ([0, 1], [100, 101, 102]),
        ([2, 3], [103]),
        ([4], [100, 101, 102]),
    ]


def test_labels_and_weights_are_kept():
    labeled = _labeled().map(lambda x, y: (x, y, 2.0 * tf.ones_like(x[:, 0])))
    unlabeled = _unlabeled().map(lambda x: (x, tf.cast(x[:, 0], tf.int64)))
    (x, y, weight), (x_u, y_u) = next(
        iter(tpl.merge_streams(labeled, unlabeled))
    )

    np.testing.assert_array_equal(y, x[:, 0])
    np.testing.assert_array_equal(weight, [2.0, 2.0])
    np.testing.assert_array_equal(y_u, x_u[:, 0])


# The repeated stream goes on.


@pytest.mark.parametrize("then", [False, True])
def test_labels_go_on_from_epoch_to_epoch(then):
    """Ten batches of labels beside two: all are drawn in five epochs."""
    stream = tpl.merge_streams(_labeled(10, 1), _unlabeled(2, 1))
    if then:
        stream = stream.map(lambda *pair: pair).prefetch(1)
    drawn = [[rows for rows, _ in _rows(stream)] for _ in range(6)]
    # What is drawn ahead is not lost: it is what the next epoch begins with.
    seen = [row for epoch in drawn for (row,) in epoch]
    assert seen == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_unlabeled_batches_go_on_where_labels_end_the_epoch():
    stream = tpl.merge_streams(_labeled(2), _unlabeled(9), epoch="labeled")

    assert [rows for _ in range(4) for _, (rows, *_) in _rows(stream)] == [
        100,
        103,
        106,
        100,
    ]


@pytest.mark.parametrize("then", [False, True])
@pytest.mark.parametrize("updates", [0, 3, 4, 13, 1003])
def test_a_training_goes_on_at_its_number_of_updates(updates, then):
    """Wherever the stream is by then, and whatever was made of it."""
    stream = tpl.merge_streams(_labeled(10, 1), _unlabeled(2, 1))
    used = stream.map(lambda *pair: pair).prefetch(1) if then else stream
    for drawn in (0, 1, 2):
        for _ in range(drawn):
            _rows(used)
        merging.go_on(used, updates)
        first, second = (rows for rows, _ in _rows(used))
        assert first == [updates % 10]
        assert second == [(updates + 1) % 10]


def test_labels_of_unknown_number_go_on_forwards():
    labeled = _labeled(10, 1).filter(lambda x, y: True)
    stream = tpl.merge_streams(labeled, _unlabeled(2, 1))
    merging.go_on(stream, 3)

    assert [rows for rows, _ in _rows(stream)] == [[3], [4]]


@pytest.mark.parametrize("then", [False, True])
def test_a_part_of_the_repeated_stream(then):
    """As a worker has it that reads its own files; it goes on, too."""
    stream = tpl.merge_streams(_labeled(10, 1), _unlabeled(2, 1))
    used = stream.map(lambda *pair: pair).prefetch(1) if then else stream
    _rows(used)
    merging.shard_repeated(used, lambda labels: labels.skip(7))

    drawn = [rows for _ in range(2) for rows, _ in _rows(used)]
    assert drawn == [[7], [8], [9], [7]]
    merging.go_on(used, 8)
    assert [rows for rows, _ in _rows(used)] == [[9], [7]]


def test_shuffled_labels_are_shuffled_again_in_every_pass():
    x = np.arange(8, dtype="float32")[:, None]
    labeled = tf.data.Dataset.from_tensor_slices((x, x)).shuffle(8, seed=0)
    stream = tpl.merge_streams(labeled.batch(2), _unlabeled(4, 1))
    passes = [
        [row for rows, _ in _rows(stream) for row in rows] for _ in range(4)
    ]

    assert all(sorted(rows) == list(range(8)) for rows in passes)
    assert passes[0] != passes[1]


def test_going_on_with_another_stream_is_none():
    merging.go_on(tpl.alternate_streams(_labeled(), _unlabeled()), 3)
    merging.go_on(_labeled(), 3)


def test_an_endless_unlabeled_stream():
    stream = tpl.merge_streams(_labeled(3, 1), _unlabeled(2, 1).repeat())

    assert stream.cardinality() == tf.data.INFINITE_CARDINALITY
    assert _rows(stream.take(4)) == [
        ([0], [100]),
        ([1], [101]),
        ([2], [100]),
        ([0], [101]),
    ]


def test_a_one_shot_generator_loses_nothing():
    """Whatever is checked, is checked without drawing."""
    batches = iter([[[100.0]], [[101.0]], [[102.0]]])
    unlabeled = tf.data.Dataset.from_generator(
        lambda: batches, output_signature=tf.TensorSpec([None, 1], tf.float32)
    )
    stream = tpl.merge_streams(_labeled(), unlabeled)

    assert [rows for _, rows in _rows(stream)] == [[100], [101], [102]]


def test_a_one_shot_generator_of_labels_loses_nothing():
    batches = iter([([[0.0]], [0]), ([[1.0]], [1])])
    labeled = tf.data.Dataset.from_generator(
        lambda: batches,
        output_signature=(
            tf.TensorSpec([None, 1], tf.float32),
            tf.TensorSpec([None], tf.int64),
        ),
    )
    stream = tpl.merge_streams(labeled, _unlabeled(6), epoch="unlabeled")

    assert [rows for rows, _ in _rows(stream)] == [[0], [1]]


# Labels alone.


def test_labeled_alone_has_no_unlabeled_rows():
    labeled = [[int(v) for v in y] for _, y in _labeled()]
    pairs = list(tpl.labeled_alone(_labeled()))

    assert [[int(v) for v in y] for (_, y), _ in pairs] == labeled
    assert {tuple(x_u.shape) for _, x_u in pairs} == {(0, 1)}


def test_labeled_alone_has_the_form_of_what_is_merged_later():
    unlabeled = _unlabeled().map(lambda x: (x, tf.cast(x[:, 0], tf.int64)))
    later = tpl.merge_streams(_labeled(), unlabeled)
    alone = tpl.labeled_alone(_labeled(), unlabeled)

    assert tf.nest.map_structure(
        lambda spec: (spec.dtype, spec.shape[1:]), alone.element_spec
    ) == tf.nest.map_structure(
        lambda spec: (spec.dtype, spec.shape[1:]), later.element_spec
    )
    for _, (x_u, y_u) in alone:
        assert len(x_u) == len(y_u) == 0
    with pytest.raises(ValueError, match="same structure, shape and dtype"):
        tpl.labeled_alone(_labeled(), _unlabeled().map(lambda x: x[:, :0]))


def test_unknown_epoch_is_refused():
    with pytest.raises(ValueError, match="got 'both'"):
        tpl.merge_streams(_labeled(), _unlabeled(), epoch="both")
