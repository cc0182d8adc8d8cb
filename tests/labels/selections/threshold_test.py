import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.contexts import X_U, beliefs_of, model_of, passed, softmax
from tf_pseudolabel.labels.selections import Threshold

PROBABILITIES = np.array(
    [[0.75, 0.125, 0.125], [0.25, 0.5, 0.25], [0, 1, 0], [0.25, 0.25, 0.5]]
)


def _weights(threshold, probabilities=PROBABILITIES):
    selection = Threshold(threshold)
    weights = selection.row_weights(None, beliefs_of(probabilities))
    assert weights.dtype == tf.float32
    return weights.numpy().tolist()


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.0, [1, 1, 1, 1]),
        (0.5, [1, 1, 1, 1]),  # What reaches the threshold counts.
        (np.nextafter(np.float32(0.5), np.float32(1)), [1, 0, 1, 0]),
        (0.75, [1, 0, 1, 0]),
        (1.0, [0, 0, 1, 0]),
    ],
)
def test_rows_count_from_the_threshold_on(threshold, expected):
    assert _weights(threshold) == expected


def test_per_pixel():
    pixels = PROBABILITIES.reshape(1, 2, 2, 3)

    assert _weights(0.75, pixels) == [[[1, 0], [1, 0]]]


def test_in_an_update():
    model = model_of(selection=Threshold(0.7))
    confidence = softmax(model.classifier(X_U).numpy()).max(axis=-1)
    weights = passed(model).beliefs.weight.numpy()

    assert 0 < weights.sum() < len(X_U)
    np.testing.assert_array_equal(weights, confidence >= 0.7)


def test_eager_and_traced_agree_at_the_threshold():
    """0.95 is another number in single precision, on both sides."""
    beliefs = beliefs_of([[0.95, 0.05, 0], [0.9499999, 0.0500001, 0]])
    selection = Threshold(0.95)
    traced = tf.function(lambda: selection.row_weights(None, beliefs))

    assert traced().numpy().tolist() == [1, 0]
    assert selection.row_weights(None, beliefs).numpy().tolist() == [1, 0]


def test_defaults_to_the_literature():
    assert Threshold().get_config() == {"threshold": 0.95, "mean": "all"}


@pytest.mark.parametrize("threshold", [-0.1, 1.1, 95, float("nan")])
def test_threshold_that_is_no_probability_is_refused(threshold):
    with pytest.raises(ValueError, match=f"got {threshold}"):
        Threshold(threshold)


def test_serialization():
    config = keras.saving.serialize_keras_object(Threshold(0.7, "accepted"))
    restored = keras.saving.deserialize_keras_object(config)

    assert type(restored) is Threshold
    assert restored.get_config() == {"threshold": 0.7, "mean": "accepted"}
