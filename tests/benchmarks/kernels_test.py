import arithmetic
import kernels
import numpy as np
import pytest
import subjects
import tensorflow as tf


def test_its_products_are_all_operations_of_an_update():
    classifier, *_ = subjects.parts("conv")

    found = kernels.products_of_update(classifier)

    assert sum(count for _, count in found.values()) == arithmetic.update(
        classifier, 32, 256, "inference"
    )
    # Four layers, four products each; but no gradient of the images.
    assert len(found) == 15


@pytest.mark.parametrize("place", [0, -1])
def test_its_products_are_those_of_the_layer(place, monkeypatch):
    classifier, *_ = subjects.parts("conv")
    layer = [k for k in classifier.layers if k.weights][place]
    drawn = []
    normal = tf.random.normal
    monkeypatch.setattr(
        tf.random,
        "normal",
        lambda shape: (drawn.append(normal(shape)), drawn[-1])[1],
    )

    products = kernels.products_of(layer, 3)

    x, gradient = drawn
    with tf.GradientTape() as tape:
        tape.watch(x)
        kernel = tf.Variable(layer.kernel)
        if len(x.shape) == 2:
            forth = tf.linalg.matmul(x, kernel)
        else:
            forth = tf.nn.convolution(x, kernel)
    back = tape.gradient(forth, [kernel, x], gradient)
    expected = dict(
        zip(("to the kernel", "to the inputs"), back, strict=True), forth=forth
    )
    assert products.keys() == expected.keys()
    for name, product in products.items():
        np.testing.assert_allclose(product(), expected[name], rtol=1e-4)


def test_the_share_is_that_of_the_rate(figures_of):
    found = figures_of("kernels.py", "--rounds=1", "--steps=1")

    times = [
        line["median"]
        for name, line in found.items()
        if line["unit"] == "ms" and name != "all"
    ]
    assert found["all"]["median"] == pytest.approx(sum(times))
    assert 0 < found["all: share of the rate"]["median"] < 1.5
