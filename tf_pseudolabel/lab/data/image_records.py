"""Images whose files are held in memory, and decoded when they are read."""

import numpy as np
import tensorflow as tf

from tf_pseudolabel.lab.data.image_files import without_palette
from tf_pseudolabel.lab.data.inputs import Held, Inputs
from tf_pseudolabel.lab.data.kinds import Images
from tf_pseudolabel.lab.data.resize import resize
from tf_pseudolabel.lab.errors import InputError, reason_of


class EncodedImages(Inputs):
    """JPEG, PNG, GIF and BMP files in memory.

    Args:
        contents: `(n,)` array of bytes.
        shape: Height, width and channels of the images.
        resized: Whether files of another size are resized.
    """

    def __init__(self, contents, shape, resized):
        self._files = Held(contents)
        self._resized = resized
        self.spec = tf.TensorSpec(shape, tf.uint8)
        # A graph: outside of one, every row costs milliseconds.
        self._images = tf.function(
            lambda files: tf.map_fn(
                self._image, files, fn_output_signature=self.spec
            ),
            input_signature=[tf.TensorSpec((None,), tf.string)],
        )

    def __len__(self):
        return len(self._files)

    def batch(self, rows):
        """Decodes rows; see `Inputs.batch`."""
        return self._images(self._files.batch(rows))

    def _image(self, content):
        *size, channels = self.spec.shape
        image = decoded(content, channels)
        if self._resized:
            image = resize(image, size)
        return tf.ensure_shape(image, self.spec.shape)


def data_of(table, contents, shape, image_size):
    """Makes what a source offers of encoded images.

    Args:
        table: `Rows`, without columns.
        contents: `(n,)` array of bytes.
        shape: Height, width and channels that all must have; None: those of the
            first, and one channel if all are grey, else three.
        image_size: Height and width to resize to; None: all must agree.

    Returns:
        A `Data`.

    Raises:
        InputError: If one cannot be decoded, or has another shape.
    """
    shapes, keys = _looked_at(contents, table.ids)
    if shape is None:
        shape = (*shapes[0, :2], 1 if (shapes[:, 2] <= 2).all() else 3)
    shape = tuple(int(x) for x in (*(image_size or shape[:2]), shape[2]))
    other = (shapes[:, :2] != shape[:2]).any(axis=1)
    if image_size is None and other.any():
        row = other.argmax()
        raise InputError(
            f"all images must share one height and width; got {shape[:2]} and "
            f"{tuple(shapes[row, :2].tolist())} in {table.ids[row]}; give "
            "--image_size to resize them"
        )
    inputs = EncodedImages(contents, shape, image_size is not None)
    return table.data(inputs, keys, Images(shape=shape))


def decoded(content, channels=0):
    """Decodes a JPEG, PNG, GIF or BMP file; of several frames the first.

    Args:
        content: String tensor, scalar.
        channels: 1 or 3; 0: as many as it has.

    Returns:
        The image, `(height, width, channels)` uint8.
    """
    content = without_palette(content)
    return tf.io.decode_image(content, channels, expand_animations=False)


def _looked_at(contents, ids):
    """The shape of every image, and a number for its pixels."""

    def look(content):
        image = decoded(content)
        key = tf.strings.to_hash_bucket_strong(
            tf.io.serialize_tensor(image), 2**62, [1, 2]
        )
        return tf.shape(image), key

    files = tf.data.Dataset.from_tensor_slices(contents)
    looked = files.map(look, num_parallel_calls=tf.data.AUTOTUNE)
    shapes, keys = [], []
    try:
        for some_shapes, some_keys in looked.batch(1024).as_numpy_iterator():
            shapes.append(some_shapes)
            keys.append(some_keys)
    except tf.errors.OpError:
        _name_damage(contents, ids)
        raise
    return np.concatenate(shapes), np.concatenate(keys)


def _name_damage(contents, ids):
    for content, name in zip(contents, ids, strict=True):
        try:
            decoded(content)
        except tf.errors.OpError as error:
            raise InputError(
                "every image must be a JPEG, PNG, GIF or BMP file that is "
                f"whole; got {name}: {reason_of(error)}; write its record again"
            ) from error
