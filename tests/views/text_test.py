import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.views import Draws
from tf_pseudolabel.views.text import Words

X = np.array([[5, 6, 7, 8, 0, 0], [9, 0, 0, 0, 0, 0]])


class Fixed:
    def __init__(self, *numbers):
        self.numbers = np.array(numbers, np.float32)

    def uniform(self, *shape):
        """Of mask, delete and swap, for both rows."""
        return tf.constant(np.stack([self.numbers] * 2).reshape(2, *shape))


def _seen(mask=(), delete=(), swap=()):
    """Words at the places named are chosen."""
    numbers = np.ones((3, 6))
    for kind, places in enumerate((mask, delete, swap)):
        numbers[kind, list(places)] = 0
    words = Words(0.5, 0.5, 0.5)
    return words(tf.constant(X), Fixed(*numbers)).numpy().tolist()


@pytest.mark.parametrize(
    ("chosen", "first", "second"),
    [
        ({}, [5, 6, 7, 8, 0, 0], [9, 0, 0, 0, 0, 0]),
        ({"mask": (0, 2, 5)}, [1, 6, 1, 8, 0, 0], [1, 0, 0, 0, 0, 0]),
        ({"delete": (1, 2)}, [5, 8, 0, 0, 0, 0], [9, 0, 0, 0, 0, 0]),
        ({"delete": (0,)}, [6, 7, 8, 0, 0, 0], [9, 0, 0, 0, 0, 0]),
        ({"swap": (0, 2)}, [6, 5, 8, 7, 0, 0], [9, 0, 0, 0, 0, 0]),
        ({"swap": (3,)}, [5, 6, 7, 8, 0, 0], [9, 0, 0, 0, 0, 0]),
        ({"swap": (0, 1)}, [6, 5, 7, 8, 0, 0], [9, 0, 0, 0, 0, 0]),
        ({"mask": (1,), "delete": (0,)}, [1, 7, 8, 0, 0, 0], [9] + [0] * 5),
    ],
)
def test_words(chosen, first, second):
    assert _seen(**chosen) == [first, second]


def test_of_a_text_one_word_stays():
    numbers = np.zeros((3, 6))
    numbers[1] = [0.2, 0.4, 0.1, 0.3, 0.9, 0.9]

    seen = Words(0.0, 1.0, 0.0)(tf.constant(X), Fixed(*numbers))

    np.testing.assert_array_equal(
        seen, [[6, 0, 0, 0, 0, 0], [9, 0, 0, 0, 0, 0]]
    )


def test_texts_of_one_word_train_a_network_that_pools_words():
    """Of no words the mean is no number."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((3,), dtype="int64"),
            layers.Embedding(9, 4, mask_zero=True),
            layers.GlobalAveragePooling1D(),
            layers.Dense(2),
        ]
    )
    model = tpl.PseudoLabelModel(
        network, views=tpl.views.text(delete=0.9, seed=1)
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    model.alpha.assign(1.0)
    x = np.array([[2, 0, 0], [3, 0, 0], [4, 5, 0]] * 4)

    stream = tpl.from_arrays(x, np.array([0, 1, -1] * 4))
    history = model.fit(stream, epochs=2, verbose=0).history

    assert np.isfinite(history["loss"]).all()


def test_none_is_chosen_with_a_share_of_0():
    every = tuple(range(6))
    numbers = np.zeros((3, len(every)))

    seen = Words(0.0, 0.0, 0.0)(tf.constant(X), Fixed(*numbers))

    np.testing.assert_array_equal(seen, X)


def test_shares_are_met_and_the_teacher_sees_the_text():
    views = tpl.views.text(mask=0.3, delete=0.0, swap=0.0)
    x = tf.fill([200, 50], 7)

    seen = views.strong(x, Draws([1, 0], 0, 0, 200, 200)).numpy()

    assert views.weak is None and seen.dtype == np.int32
    assert np.mean(seen == 1) == pytest.approx(0.3, abs=0.02)


def test_they_are_saved_and_wrong_choices_refused():
    views = tpl.views.text(swap=0.2, seed=4)
    made = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(views)
    )
    assert made.get_config() == views.get_config()
    with pytest.raises(ValueError, match=r"`mask` must be in \[0, 1\]; got 2"):
        tpl.views.text(mask=2)
    with pytest.raises(ValueError, match="numbers of words, whole numbers"):
        views.check(tf.TensorSpec((None, 5), tf.float32))
    with pytest.raises(ValueError, match="texts of one length; got an open"):
        views.strong.check(tf.TensorSpec((None, None), tf.int64))
