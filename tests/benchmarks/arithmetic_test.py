import arithmetic
import keras
import pytest
import subjects

MLP = 2 * 784 * 5000, 2 * 5000 * 10
# 24x24 places, then 8x8.
CONV = 2 * 25 * 20 * 576, 2 * 500 * 40 * 64, 2 * 640 * 150, 2 * 150 * 10


@pytest.mark.parametrize(("network", "counts"), [("mlp", MLP), ("conv", CONV)])
def test_operations_of_a_pass(network, counts):
    classifier, *_ = subjects.parts(network)

    assert arithmetic.forward(classifier) == list(counts)


def test_operations_of_layers_within_layers():
    """56 million products at 224 x 224 (Howard et al., 2019, table 4)."""
    classifier, *_ = subjects.parts(subjects.PHOTOS)

    published = 2 * 56e6 * (96 / 224) ** 2
    found = sum(arithmetic.forward(classifier))
    assert found == pytest.approx(published, rel=0.1)


def test_operations_of_an_update():
    """3 rows, each forth, back for the weights, back but for the pixels."""
    classifier = keras.Sequential(
        [keras.Input([4]), keras.layers.Dense(5), keras.layers.Dense(2)]
    )
    once = 2 * 4 * 5 + 2 * 5 * 2
    trained = 3 * (2 * once + 2 * 5 * 2)

    assert arithmetic.update(classifier, 1, 2, "training") == trained
    assert arithmetic.update(classifier, 1, 2, "inference") == (
        trained + 2 * once
    )


def test_rate_is_positive():
    assert arithmetic.rate(size=64, repeats=1) > 0
