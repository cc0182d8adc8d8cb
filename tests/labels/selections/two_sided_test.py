import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.contexts import beliefs_of
from tf_pseudolabel.labels.selections import TwoSided

YES = np.array([[0.0, 0.05, 0.4], [0.5, 0.8, 1.0]], "float32")


def _weights(*args, yes=YES):
    beliefs = beliefs_of(np.stack([1 - yes, yes], axis=-1))
    weights = TwoSided(*args).row_weights(None, beliefs)
    assert weights.dtype == tf.float32
    return weights.numpy().tolist()


@pytest.mark.parametrize(
    ("up", "down", "expected"),
    [
        (0.8, 0.05, [[1, 1, 0], [0, 1, 1]]),  # Both reach their threshold.
        (1.0, 0.0, [[1, 0, 0], [0, 0, 1]]),
        (0.5, 0.5, [[1, 1, 1], [1, 1, 1]]),
        (0.81, 0.4, [[1, 1, 1], [0, 0, 1]]),
    ],
)
def test_answers_count_on_either_side(up, down, expected):
    assert _weights(up, down) == expected


def test_every_class_may_have_its_own():
    assert _weights([0.5, 0.9, 0.6], [0.0, 0.01, 0.4]) == [
        [1, 0, 1],
        [1, 0, 1],
    ]
    assert _weights(0.9, (0.0, 0.05, 0.0)) == [[1, 1, 0], [0, 0, 1]]


def test_of_positions():
    tokens = YES.reshape(1, 2, 3)

    assert _weights([0.5, 0.9, 0.6], 0.0, yes=tokens) == [
        [[1, 0, 0], [1, 0, 1]]
    ]


def test_eager_and_traced_agree_at_the_threshold():
    yes = np.array([[0.95, 0.9499999, 0.05, 0.0500001]], "float32")
    beliefs = beliefs_of(np.stack([1 - yes, yes], axis=-1))
    traced = tf.function(lambda: TwoSided().row_weights(None, beliefs))

    assert traced().numpy().tolist() == [[1, 0, 1, 0]]
    assert _weights(yes=yes) == [[1, 0, 1, 0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"up": 0.4}, r"`up` is a probability in \[0\.5, 1\].* got 0\.4"),
        ({"up": [0.9, 1.1]}, r"`up` .* got \[0\.9, 1\.1\]"),
        ({"down": 0.6}, r"`down` is a probability in \[0, 0\.5\].* got 0\.6"),
        ({"down": "low"}, "`down` must be a finite number; got 'low'"),
        ({"mean": "some"}, "`mean` is one of all, accepted; got 'some'"),
    ],
    ids=str,
)
def test_thresholds_on_the_other_side_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TwoSided(**arguments)


@pytest.mark.parametrize("up", [0.7, [0.7, 0.8]])
def test_serialization(up):
    made = TwoSided(np.array(up) if isinstance(up, list) else up, 0.1)
    config = keras.saving.serialize_keras_object(made)
    restored = keras.saving.deserialize_keras_object(config)

    assert type(restored) is TwoSided
    assert restored.get_config() == made.get_config()
    np.testing.assert_array_equal(restored.up, up)
