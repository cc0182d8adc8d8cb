import arithmetic
import numpy as np
import products
import pytest
import subjects
import tensorflow as tf


def test_its_products_are_all_operations_of_an_update():
    classifier, *_ = subjects.parts("conv")

    found = products.of_update(classifier, 32, 256)

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

    found = products.of_layer(layer, 3)

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
    assert found.keys() == expected.keys()
    for name, product in found.items():
        np.testing.assert_allclose(product(), expected[name], rtol=1e-4)
