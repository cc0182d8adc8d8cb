import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.contexts import beliefs_of
from tf_pseudolabel.labels.targets import Hard, MultiHot

YES = np.array([[0.1, 0.7, 0.9], [0.5, 0.3, 0.2]], "float32")


@pytest.mark.parametrize("dtype", [tf.float32, tf.int64])
def test_yes_where_it_is_likelier(dtype):
    beliefs = beliefs_of(np.stack([1 - YES, YES], axis=-1))
    labels = MultiHot().labels(beliefs, tf.zeros([5, 3], dtype))

    assert labels.dtype == dtype
    np.testing.assert_array_equal(labels, [[0, 1, 1], [0, 0, 0]])


def test_it_says_that_a_row_has_a_label_for_every_output():
    assert MultiHot.multi_label
    assert not Hard.multi_label


def test_serialization():
    config = keras.saving.serialize_keras_object(MultiHot())

    assert type(keras.saving.deserialize_keras_object(config)) is MultiHot
