import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.update.mixup import Mixup

ROWS, ROWS_U = 5, 8
ALL = ROWS + ROWS_U


def _mixup(strength=1.0, seed=0):
    keras.utils.set_random_seed(seed)
    return Mixup(strength)


def _rows(first, count):
    """Every row is told by its number, in one-hot."""
    return tf.one_hot(tf.range(first, first + count), ALL)


def _shares_and_order(*batches):
    """Reads `share` and `order` out of rows of the identity, mixed."""
    mixed = np.concatenate([np.asarray(batch) for batch in batches])
    share = next((row[i] for i, row in enumerate(mixed) if row[i] < 1), None)
    order = []
    for number, row in enumerate(mixed):
        others = np.flatnonzero(row * (np.arange(ALL) != number))
        order.append(int(others[0]) if len(others) else number)
    return float(share), np.array(order)


def test_rows_are_mixed_with_rows_of_either_batch():
    mixed, mixed_u = _mixup().mix(_rows(0, ROWS), _rows(ROWS, ROWS_U))
    share, order = _shares_and_order(mixed, mixed_u)

    assert mixed.shape == (ROWS, ALL)
    assert mixed_u.shape == (ROWS_U, ALL)
    assert 0 < share < 1
    # Every row is once the other one.
    assert sorted(order) == list(range(ALL))
    assert (order[:ROWS] >= ROWS).any()
    identity = np.eye(ALL)
    np.testing.assert_allclose(
        np.concatenate([mixed, mixed_u]),
        share * identity + (1 - share) * identity[order],
        atol=1e-6,
    )


def test_mixed_rows_lie_between_those_they_are_made_of():
    rng = np.random.default_rng(0)
    x, x_u = (rng.normal(size=(n, 3)).astype("float32") for n in (5, 8))
    both = np.concatenate([x, x_u])
    mixed = np.concatenate(_mixup().mix(x, x_u))

    assert (mixed <= both.max(axis=0)).all()
    assert (mixed >= both.min(axis=0)).all()
    # Every row is the other one once: the sum stays.
    np.testing.assert_allclose(mixed.sum(axis=0), both.sum(axis=0), rtol=1e-4)
    assert np.abs(mixed - both).max() > 0.01


def test_labels_and_weights_are_mixed_as_their_inputs():
    labels = tf.reshape(tf.range(2.0 * ALL), [ALL, 2])
    weights = tf.range(float(ALL))
    batches = [
        (_rows(first, count), labels[first:][:count], weights[first:][:count])
        for first, count in ((0, ROWS), (ROWS, ROWS_U))
    ]
    (x, y, w), (x_u, y_u, w_u) = _mixup().mix(*batches)
    share, order = _shares_and_order(x, x_u)

    for parts, originals in (((y, y_u), labels), ((w, w_u), weights)):
        originals = originals.numpy()
        np.testing.assert_allclose(
            np.concatenate(parts),
            share * originals + (1 - share) * originals[order],
            rtol=1e-5,
        )


def test_nested_inputs_are_mixed_alike():
    x = {"a": _rows(0, ROWS), "b": 2 * _rows(0, ROWS)}
    x_u = {"a": _rows(ROWS, ROWS_U), "b": 2 * _rows(ROWS, ROWS_U)}
    mixed, mixed_u = _mixup().mix(x, x_u)

    for batch in (mixed, mixed_u):
        assert batch.keys() == {"a", "b"}
        np.testing.assert_allclose(batch["b"], 2 * batch["a"])


def test_images_keep_their_shape():
    images = tf.reshape(tf.range(48.0), [4, 2, 2, 3])
    (mixed,) = _mixup().mix(images)

    assert mixed.shape == images.shape


def test_integers_become_floats():
    (mixed,) = _mixup().mix(tf.constant([[0], [255]], tf.uint8))

    assert mixed.dtype == tf.float32
    assert float(tf.reduce_sum(mixed)) == pytest.approx(255)


def test_an_absent_batch_stays_absent():
    mixed, absent = _mixup().mix(_rows(0, ALL), None)
    share, order = _shares_and_order(mixed)
    assert absent is None
    assert 0 < share < 1
    assert sorted(order) == list(range(ALL))

    absent, mixed = _mixup().mix(None, _rows(0, ALL))
    assert absent is None
    assert mixed.shape == (ALL, ALL)

    assert _mixup().mix(None, None) == [None, None]


def _draws(mixup, count):
    return [
        _shares_and_order(*mixup.mix(_rows(0, ROWS), _rows(ROWS, ROWS_U)))
        for _ in range(count)
    ]


def test_every_update_draws_again():
    draws = _draws(_mixup(), 4)

    assert len({share for share, _ in draws}) == 4
    assert len({tuple(order) for _, order in draws}) == 4


def test_draws_follow_the_global_seed():
    for (share, order), (again, order_again) in zip(
        _draws(_mixup(seed=3), 3), _draws(_mixup(seed=3), 3), strict=True
    ):
        assert share == again
        np.testing.assert_array_equal(order, order_again)
    assert _draws(_mixup(seed=4), 1)[0][0] != share


def test_the_seed_is_state_to_be_saved():
    mixup, other = _mixup(seed=3), _mixup(seed=4)
    _draws(mixup, 2)
    for variable, value in zip(other.variables, mixup.variables, strict=True):
        variable.assign(value)

    assert len(mixup.variables) == 1
    assert _draws(other, 1)[0][0] == _draws(mixup, 1)[0][0]


@pytest.mark.parametrize(
    ("strength", "deviation"),
    # Of Beta(a, a): the variance is 1 / (4 (2 a + 1)).
    [(1.0, 12**-0.5), (4.0, 1 / 6), (1e4, 1 / 283)],
)
def test_strength_draws_the_share_towards_one_half(strength, deviation):
    mixup = _mixup(strength)
    draw = tf.function(lambda: mixup.mix(tf.eye(2))[0])
    # Mixed with itself or with the other: the share or 1.
    shares = np.array([float(draw()[0, 0]) for _ in range(400)])
    shares = shares[shares < 1]

    assert len(shares) > 100
    error = deviation / np.sqrt(len(shares))
    assert shares.mean() == pytest.approx(0.5, abs=4 * error)
    assert shares.std() == pytest.approx(deviation, rel=0.2)


def test_keras_is_told_that_xla_has_no_beta_distribution():
    """`jit_compile="auto"` asks every layer."""
    assert not _mixup().supports_jit
