import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.data.examples import Examples
from tf_pseudolabel.lab.data.kinds import Encoding, Images, Kind
from tf_pseudolabel.lab.data.splits import Split
from tf_pseudolabel.lab.errors import InputError


def _split(arrays):
    return Split(
        **{
            name: Examples(
                arrays + number,
                np.zeros(len(arrays), np.int64),
                np.array([f"{name}/{row}" for row in range(len(arrays))]),
            )
            for number, name in enumerate(
                ("labeled", "unlabeled", "validation", "test")
            )
        }
    )


def test_without_a_model_rows_stay_as_they_are():
    split = _split(np.ones((2, 3), np.float32))
    encoding = Kind().encoding(split)
    assert encoding.spec == tf.TensorSpec((3,), tf.float32)
    assert encoding.of(split) is split


def test_every_set_is_encoded_when_it_is_read():
    split = _split(np.ones((2, 3), np.float32))
    raw = keras.Input((3,))
    model = keras.Model(raw, keras.layers.Rescaling(10.0)(raw))

    encoded = Encoding(tf.TensorSpec((3,)), model).of(split)

    for number, part in enumerate(vars(encoded).values()):
        assert (part.read() == 10.0 * (1 + number)).all()
    assert encoded.test.ids.tolist() == split.test.ids.tolist()


def test_images_tell_the_network_what_white_is():
    images = np.full((2, 4, 4, 1), 8, np.uint8)
    encoding = Images(max_value=16).encoding(_split(images))
    assert encoding.options["max_value"] == 16
    np.testing.assert_array_equal(
        Images(max_value=16).pictures(images), np.full((2, 4, 4), 0.5)
    )


@pytest.mark.parametrize(
    ("spec", "got"),
    [
        (tf.TensorSpec((4, 4), tf.uint8), "uint8 of shape (n, 4, 4)"),
        (tf.TensorSpec((4, 4, 1), tf.int32), "int32 of shape (n, 4, 4, 1)"),
    ],
)
def test_what_is_no_image_is_refused(spec, got):
    with pytest.raises(InputError, match=re.escape(f"got {got}")):
        Images().check(spec)


def test_other_rows_are_neither_pictures_nor_text_nor_files():
    kind = Kind()
    assert kind.pictures(np.zeros((1, 3))) is None
    assert kind.texts(np.zeros((1, 3))) is None
    assert kind.decoder() is None
