import keras
import numpy as np
import pytest

from tf_pseudolabel.labels import running


def _moved(total, count):
    average = keras.Variable(np.array([0.5, 0.5], np.float32))
    running.move(average, 0.9, np.array(total, np.float32), np.float32(count))
    return average.numpy()


def test_it_moves_towards_the_mean_of_the_rows():
    np.testing.assert_allclose(_moved([3, 1], 4), [0.525, 0.475], rtol=1e-6)


def test_of_no_rows_it_stays():
    np.testing.assert_array_equal(_moved([0, 0], 0), [0.5, 0.5])


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_shares_that_leave_nothing_or_all_are_refused(decay):
    with pytest.raises(ValueError, match="`decay` is the share of an average"):
        running.is_decay(decay)
    running.is_decay(0.0)
