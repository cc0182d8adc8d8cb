import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.data import batches
from tf_pseudolabel.lab.data.examples import Examples
from tf_pseudolabel.lab.data.inputs import Held, Inputs


@pytest.fixture
def examples():
    """20 images, each its own number, and labels."""
    rows = np.arange(20)
    images = rows.astype(np.uint8)[:, None, None, None]
    return Examples(images, rows % 3, np.array([f"row {n}" for n in rows]))


def _numbers(dataset):
    return [x[:, 0, 0, 0].tolist() for x, _ in dataset.as_numpy_iterator()]


@pytest.mark.parametrize("across", [False, True])
def test_each_pass_holds_each_row_once_in_an_order_of_its_own(across, examples):
    found = batches.passes(examples, 6, 1, first=0, across=across)
    rows = [row for batch in _numbers(found.take(14)) for row in batch]
    passes = [rows[start : start + 20] for start in range(0, 60, 20)]
    assert [sorted(rows) for rows in passes] == [list(range(20))] * 3
    assert len({tuple(rows) for rows in passes}) == 3


@pytest.mark.parametrize("across", [False, True])
def test_batches_are_a_function_of_seed_and_number(across, examples):
    def from_batch(first, seed=1):
        found = batches.passes(examples, 6, seed, first, across=across)
        return _numbers(found.take(10 - first))

    whole = from_batch(0)
    for first in range(1, 10):
        assert from_batch(first) == whole[first:]
    assert from_batch(0, seed=2) != whole


def test_a_pass_that_is_not_spanned_ends_with_a_smaller_batch(examples):
    found = _numbers(batches.passes(examples, 6, 1, first=0).take(4))

    assert [len(rows) for rows in found] == [6, 6, 6, 2]
    assert batches.count(examples, 6) == 4


def test_a_first_pass_can_be_any(examples):
    later = batches.passes(examples, 6, 1, first=0, first_pass=2)
    whole = batches.passes(examples, 6, 1, first=8)

    assert _numbers(later.take(4)) == _numbers(whole.take(4))


def test_in_order_is_once_and_in_its_own_order(examples):
    found = batches.in_order(examples, 6)

    assert _numbers(found) == [
        [*range(6)],
        [*range(6, 12)],
        [*range(12, 18)],
        [18, 19],
    ]
    labels = np.concatenate([y for _, y in found.as_numpy_iterator()])
    np.testing.assert_array_equal(labels, examples.labels)


class Streamed(Inputs):
    """Inputs that lie elsewhere."""

    def __init__(self, array):
        self._held, self.spec = Held(array), tf.TensorSpec((), tf.float32)

    def __len__(self):
        return len(self._held)

    def batch(self, rows):
        return self._held.batch(rows)


@pytest.mark.parametrize(
    "inputs, few_bytes, times",
    [(Held, 13, 1), (Held, 12, 2), (Streamed, 13, 2)],
)
def test_few_rows_in_memory_are_made_once(
    inputs, few_bytes, times, monkeypatch
):
    made = []

    def counted(rows):
        made.append(len(rows))
        return np.float32(rows)

    inputs = inputs(np.arange(3, dtype=np.float32))
    monkeypatch.setattr(batches, "_FEW_BYTES", few_bytes)
    monkeypatch.setattr(
        inputs,
        "batch",
        lambda rows: tf.numpy_function(counted, [rows], tf.float32),
    )
    examples = Examples(inputs, np.zeros(3, int), np.array(["a", "b", "c"]))

    found = batches.in_order(examples, 2)
    passes = [[x.tolist() for x, _ in found.as_numpy_iterator()] for _ in "12"]

    assert passes == [[[0, 1], [2]]] * 2
    assert made == [2, 1] * times


def test_labels_that_are_not_known_are_left_out(examples):
    hidden = Examples(examples.read(), np.full(20, -1), examples.ids)

    (images,) = next(iter(batches.in_order(hidden, 20)))

    np.testing.assert_array_equal(images, examples.read())
