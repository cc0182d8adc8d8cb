import numpy as np
import pytest
import tensorflow as tf
import views


@pytest.mark.parametrize("side", ["weak", "strong"])
def test_every_update_has_another_view_of_the_same_images(side):
    view = views.of_batch(side, (8, 8, 3), "uint8")

    one, again, other = (view(tf.constant(number)) for number in (1, 1, 2))

    assert one.shape == (views.ROWS, 8, 8, 3) and one.dtype == "uint8"
    np.testing.assert_array_equal(one, again)
    assert np.mean(one != other) > 0.5


@pytest.mark.slow
def test_all_are_measured(figures_of):
    found = figures_of("views.py", "--rounds=1")

    assert len(found) == 8
    assert all(figure["median"] > 0 for figure in found.values())
