import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.streams.alternating import Alternating


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


def test_alternating_passes_over_the_labels():
    stream = tpl.alternate_streams(
        _labeled(rows=3), _unlabeled(rows=9), unlabeled_batches=2
    )

    labeled_pass = [([0, 1], []), ([2], [])]
    assert len(stream) == 7
    assert _rows(stream) == [
        *labeled_pass,
        ([], [100, 101, 102]),
        ([], [103, 104, 105]),
        *labeled_pass,
        ([], [106, 107, 108]),
    ]


def test_alternating_ends_with_the_unlabeled_stream():
    # 2 * 2 batches: no labeled pass may follow the last unlabeled batch.
    stream = tpl.alternate_streams(_labeled(), _unlabeled(12), 2)

    assert [bool(unlabeled) for _, unlabeled in _rows(stream)] == (
        [False] * 3 + [True] * 2
    ) * 2


def test_alternating_reshuffles_every_pass():
    x = np.arange(64, dtype="float32")[:, None]
    labeled = tf.data.Dataset.from_tensor_slices((x, x)).shuffle(64, seed=0)
    stream = tpl.alternate_streams(labeled.batch(64), _unlabeled(9), 1)
    passes = [rows for rows, _ in _rows(stream) if rows]

    assert len(passes) == 3
    assert all(sorted(rows) == list(range(64)) for rows in passes)
    assert passes[0] != passes[1] != passes[2]


def test_alternating_keeps_labels_and_weights():
    labeled = _labeled().map(lambda x, y: (x, y, 2.0 * tf.ones_like(x[:, 0])))
    unlabeled = _unlabeled().map(lambda x: (x, tf.cast(x[:, 0], tf.int64)))
    stream = tpl.alternate_streams(labeled, unlabeled, 50)
    (x, y, weight), (x_u, y_u) = next(iter(stream))

    np.testing.assert_array_equal(y, x[:, 0])
    np.testing.assert_array_equal(weight, [2.0, 2.0])
    assert x_u.shape == (0, 1)
    assert y_u.shape == (0,)


@pytest.mark.parametrize("labels", [False, True])
def test_alternating_keeps_the_form_of_unlabeled_elements(labels):
    """Keras takes `(x,)` for `x`, and so do we."""
    x_u = np.zeros([4, 1], "float32")
    elements = (x_u, np.arange(4)) if labels else (x_u,)
    unlabeled = tf.data.Dataset.from_tensor_slices(elements).batch(2)

    stream = tpl.alternate_streams(_labeled(), unlabeled)

    assert stream.element_spec[1] == unlabeled.element_spec
    assert [len(part[0]) for _, part in stream] == [0, 0, 0, 2, 2]


def test_an_element_says_that_it_alternates():
    """By its type: `fit` looks before each update which part there is."""
    stream = tpl.alternate_streams(_labeled(), _unlabeled())

    assert isinstance(stream.element_spec, Alternating)


def test_every_epoch_is_the_same():
    stream = tpl.alternate_streams(_labeled(rows=3), _unlabeled(rows=9), 2)

    assert _rows(stream) == _rows(stream)


def test_unknown_cardinality_cannot_alternate():
    endless = _labeled().repeat()

    with pytest.raises(ValueError, match="assert_cardinality"):
        tpl.alternate_streams(endless, _unlabeled())


def test_no_unlabeled_batches_between_passes_is_refused():
    with pytest.raises(ValueError, match="at least 1; got 0"):
        tpl.alternate_streams(_labeled(), _unlabeled(), unlabeled_batches=0)
