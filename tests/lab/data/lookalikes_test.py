import numpy as np

from tf_pseudolabel.lab.data.inputs import Held
from tf_pseudolabel.lab.data.lookalikes import pairs


def test_pairs_share_a_hash_and_correlate():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 250, (7, 20, 20, 1), np.uint8)
    images[5] = images[1] + 3  # Brighter, and else the same.
    images[6] = images[0]
    looks = np.array([0, 7, 7, 8, 7, 7, 0], np.uint64)
    measured, trained = np.array([5, 4, 6]), np.array([2, 1, 0, 3])
    found = pairs(looks, measured, trained, Held(images))
    # Of 2 and 1 with the same hash one looks alike; 0 is everyone's hash.
    assert found.tolist() == [[5, 1]]


def test_there_may_be_none():
    images = Held(np.zeros((2, 4, 4, 3), np.uint8))
    looks, rows = np.array([1, 2], np.uint64), np.array([0, 1])
    for measured in (rows[:1], rows[:0]):
        assert pairs(looks, measured, rows[1:], images).shape == (0, 2)
