import numpy as np

from tf_pseudolabel.lab.analysis import predictions


def test_confusion_by_hand():
    counts = predictions.confusion([0, 0, 1, 2, 2], [0, 2, 1, 0, 0], classes=3)
    np.testing.assert_array_equal(counts, [[1, 0, 1], [0, 1, 0], [2, 0, 0]])


def test_confusion_of_a_collapsed_network_is_one_column():
    counts = predictions.confusion(np.arange(6) % 3, np.ones(6, int), 3)
    np.testing.assert_array_equal(counts, [[0, 2, 0]] * 3)


def test_margins_by_hand():
    outputs = np.array([[0.1, 0.7, 0.2], [0.5, 0.0, 0.5], [0, 0, 1]])
    np.testing.assert_allclose(predictions.margins(outputs), [0.5, 0, 1])


def test_margins_of_two_classes():
    outputs = np.array([[0.25, 0.75]])
    np.testing.assert_allclose(predictions.margins(outputs), [0.5])


def test_shares_sum_to_one_and_one_is_in_the_last_bin():
    shares, edges = predictions.shares(np.array([0, 0.1, 0.6, 1.0]), bins=2)
    np.testing.assert_allclose(shares, [0.5, 0.5])
    np.testing.assert_allclose(edges, [0, 0.5, 1])
