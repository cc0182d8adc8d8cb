import numpy as np

from tf_pseudolabel.views.draws import Draws


def _draws(first=0, count=6, total=6, seed=(1, 0), update=3):
    return Draws(list(seed), update, first, count, total)


def test_rows_keep_their_numbers_wherever_they_are():
    whole = _draws()
    parts = _draws(0, 4), _draws(4, 2)
    for shape in [(3,), (2, 1), ()]:
        np.testing.assert_array_equal(
            whole.uniform(*shape),
            np.concatenate([part.uniform(*shape) for part in parts]),
        )


def test_every_call_update_side_and_seed_draws_others():
    draws = _draws()
    found = [draws.uniform(), draws.uniform()]
    found += [_draws(update=4).uniform(), _draws(seed=(1, 1)).uniform()]
    found += [_draws(seed=(2, 0)).uniform()]

    assert len(np.unique(np.concatenate(found))) == 5 * 6
    np.testing.assert_array_equal(_draws().uniform(), found[0])


def test_numbers_are_uniform_in_their_range():
    numbers = _draws(0, 5000, 5000).uniform(2, low=-1.0, high=3.0).numpy()

    assert numbers.dtype == np.float32
    assert -1 <= numbers.min() < -0.99 and 2.99 < numbers.max() < 3
    np.testing.assert_allclose(numbers.mean(0), 1, atol=0.06)
