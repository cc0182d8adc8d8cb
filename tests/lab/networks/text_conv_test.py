import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.networks import text_conv


def _model(length, **options):
    keras.utils.set_random_seed(1)
    spec = tf.TensorSpec((length,), tf.int64)
    options = {"vocabulary_size": 10, "hidden_units": 4, **options}
    model = text_conv.build(spec, 3, **options)
    # Biases count at places of padding, too, if these are not left out.
    model.set_weights([w + 0.3 * (w.ndim == 1) for w in model.get_weights()])
    return model


TEXT = [3, 7, 7, 2]


def test_padding_changes_nothing():
    short = _model(4)(np.array([TEXT]))
    long = _model(9)(np.array([TEXT + [0] * 5]))
    np.testing.assert_allclose(long, short, rtol=1e-5)


def test_output_by_hand():
    vectors, kernel, bias, w, b = _model(6, kernel_size=3).get_weights()
    padded = np.concatenate([np.zeros((1, 4)), vectors[TEXT], np.zeros((1, 4))])
    places = [
        np.maximum(np.einsum("ki,kio->o", padded[i : i + 3], kernel) + bias, 0)
        for i in range(4)
    ]
    np.testing.assert_allclose(
        _model(6, kernel_size=3)(np.array([[*TEXT, 0, 0]])),
        [np.max(places, axis=0) @ w + b],
        rtol=1e-5,
    )


def test_a_text_without_words():
    assert np.isfinite(_model(3)(np.zeros((1, 3), int))).all()


def test_order_counts_and_place_does_not():
    model = _model(8)
    here, there, turned = model(
        np.array(
            [
                [3, 7, 2, 0, 0, 0, 0, 0],
                [0, 0, 3, 7, 2, 0, 0, 0],
                [2, 7, 3, 0, 0, 0, 0, 0],
            ]
        )
    )
    np.testing.assert_allclose(here, there, rtol=1e-5)
    assert np.abs(here - turned).max() > 1e-4


def test_mixed_precision_keeps_float32_logits():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = _model(4)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model(np.array([TEXT])).dtype == "float32"


def test_the_number_of_tokens_is_needed():
    with pytest.raises(InputError, match="got no vocabulary_size"):
        _model(4, vocabulary_size=None)
