import keras
import numpy as np
import pytest

from tf_pseudolabel import SummedBinaryCrossentropy

LOGITS = np.array([[0.0, 2.0, -1.0], [-3.0, 0.5, 4.0]], "float32")
SIGMOID = 1 / (1 + np.exp(-LOGITS))
ONE_HOT = np.array([[0, 1, 0], [0, 0, 1]], "float32")
IDS = np.array([1, 2])
# Lee 2013, equations 5 and 15: summed over classes, one value per row.
PER_ROW = -np.sum(
    ONE_HOT * np.log(SIGMOID) + (1 - ONE_HOT) * np.log(1 - SIGMOID), axis=-1
)


@pytest.mark.parametrize("labels", [ONE_HOT, IDS, IDS[:, None]])
@pytest.mark.parametrize(
    ("outputs", "from_logits"), [(LOGITS, True), (SIGMOID, False)]
)
def test_sum_over_classes_mean_over_rows(labels, outputs, from_logits):
    loss = SummedBinaryCrossentropy(from_logits=from_logits)

    assert float(loss(labels, outputs)) == pytest.approx(
        PER_ROW.mean(), rel=1e-5
    )


def test_is_keras_own_times_the_number_of_classes():
    ours = SummedBinaryCrossentropy(from_logits=True)(ONE_HOT, LOGITS)
    mean = keras.losses.BinaryCrossentropy(from_logits=True)(ONE_HOT, LOGITS)

    assert float(ours) == pytest.approx(3 * float(mean), rel=1e-6)


def test_sample_weight_and_reduction():
    weight = np.array([2.0, 0.0])
    loss = SummedBinaryCrossentropy(from_logits=True)
    rows = SummedBinaryCrossentropy(from_logits=True, reduction=None)

    assert float(loss(IDS, LOGITS, weight)) == pytest.approx(
        2 * PER_ROW[0] / 2, rel=1e-5
    )
    np.testing.assert_allclose(rows(IDS, LOGITS), PER_ROW, rtol=1e-5)


@pytest.mark.parametrize("labels", [[1, 0], [[1], [0]], [True, False]])
def test_one_output_has_no_class_ids(labels):
    """1 is yes, and no second class."""
    found = SummedBinaryCrossentropy(reduction=None)(
        np.array(labels), np.array([[0.75], [0.5]], "float32")
    )

    np.testing.assert_allclose(found, -np.log([0.75, 0.5]), rtol=1e-5)


def test_per_pixel_labels():
    loss = SummedBinaryCrossentropy(from_logits=True, reduction=None)

    np.testing.assert_allclose(
        loss(IDS[None], LOGITS[None]), PER_ROW[None], rtol=1e-5
    )


def test_serialization():
    loss = SummedBinaryCrossentropy(from_logits=True, name="lee")
    config = keras.saving.serialize_keras_object(loss)
    restored = keras.saving.deserialize_keras_object(config)

    assert restored.get_config() == loss.get_config()
    assert restored.from_logits
