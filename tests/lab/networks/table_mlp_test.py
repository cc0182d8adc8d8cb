import numpy as np
import tensorflow as tf

from tf_pseudolabel.lab.networks import table_mlp


def test_output_by_hand():
    spec = tf.TensorSpec((3,), tf.float32)
    model = table_mlp.build(spec, 2, hidden_units=4)
    generator = np.random.default_rng(0)
    weights = [generator.normal(size=w.shape) for w in model.get_weights()]
    model.set_weights(weights)
    w1, b1, w2, b2, w3, b3 = weights
    x = generator.normal(size=(5, 3)).astype("float32")
    hidden = np.maximum(np.maximum(x @ w1 + b1, 0) @ w2 + b2, 0)
    np.testing.assert_allclose(model(x), hidden @ w3 + b3, rtol=1e-4, atol=1e-5)


def test_dropout_after_each_hidden_layer():
    model = table_mlp.build(tf.TensorSpec((3,), tf.float32), 2, dropout=0.4)
    rates = [x.rate for x in model.layers if hasattr(x, "rate")]
    assert rates == [0.4, 0.4]
