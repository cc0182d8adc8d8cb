import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.data import image_records
from tf_pseudolabel.lab.data.inputs import read

PIXELS = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)


@pytest.mark.parametrize(
    "encode",
    [
        tf.io.encode_png,
        lambda x: tf.io.encode_png(tf.concat([x, x[..., :1]], -1)),
    ],
)
def test_files_are_read_in_their_channels(encode):
    contents = [encode(tf.constant(x)).numpy() for x in (PIXELS, PIXELS[::-1])]
    files = np.array(contents, object)
    images = image_records.EncodedImages(files, (4, 5, 3), resized=False)
    assert len(images) == 2
    assert images.spec == tf.TensorSpec((4, 5, 3), tf.uint8)
    found = read(images, np.array([1, 0, 0]))
    np.testing.assert_array_equal(found, [PIXELS[::-1], PIXELS, PIXELS])


def test_other_sizes_are_resized_where_that_was_asked():
    png = tf.io.encode_png(np.full((9, 8, 1), 7, np.uint8)).numpy()
    files = np.array([png], object)
    images = image_records.EncodedImages(files, (4, 5, 1), resized=True)
    np.testing.assert_array_equal(
        read(images, np.arange(1)), np.full((1, 4, 5, 1), 7)
    )
    other = image_records.EncodedImages(files, (4, 5, 1), resized=False)
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        read(other, np.arange(1))
