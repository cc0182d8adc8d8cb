"""What depends on the kind of a source's inputs: images, arrays."""

import dataclasses
import typing

import tensorflow as tf

from tf_pseudolabel.lab.data import caching
from tf_pseudolabel.lab.data.image_files import (
    decode_with_tensorflow,
    without_palette,
)
from tf_pseudolabel.lab.data.inputs import Encoded, Kept
from tf_pseudolabel.lab.data.resize import resize
from tf_pseudolabel.lab.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class Encoding:
    """How raw inputs become what a network takes.

    Args:
        spec: Nested `tf.TensorSpec` of a row of what a network takes.
        model: A `keras.Model` from raw inputs to that; None: as they are.
        options: What a network is told besides, where it asks for it.
        notes: What is lost of rows on the way, a sentence each.
        is_held: Whether rows are encoded once, and held in memory.
        groups: Ints `(k,)`: which of the k numbers of a row are of one column;
            None: each stands alone.
    """

    spec: typing.Any
    model: typing.Any = None
    options: dict = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    is_held: bool = False
    groups: typing.Any = None

    def of(self, split):
        """Encodes the rows of a split: when they are read, or now.

        Args:
            split: A `Split` of raw inputs.

        Returns:
            The same rows, as a network takes them.
        """
        if self.model is None:
            return split
        parts = {
            name: self._encoded(part) for name, part in vars(split).items()
        }
        return dataclasses.replace(split, **parts)

    def _encoded(self, examples):
        encoded = Encoded(examples.inputs, self.model)
        if not self.is_held:
            return dataclasses.replace(examples, inputs=encoded)
        kept = Kept(encoded, examples.rows)
        return dataclasses.replace(examples, inputs=kept, rows=None)


def held(spec, split, cache):
    """Decides whether the encoded rows of a split are held.

    Args:
        spec: The `tf.TensorSpec` of a row.
        split: A `Split`.
        cache: As for `caching.is_held`.

    Returns:
        A pair: whether they are, and a sentence that says it.
    """
    count = sum(map(len, vars(split).values()))
    size = count * spec.shape.num_elements() * 4
    is_held, of_size = caching.is_held(size, cache)
    if is_held:
        return True, f"Rows are encoded once and kept in memory{of_size}."
    return False, f"Rows are encoded whenever they are used{of_size}."


class Kind:
    """A kind of inputs; what stands here fits any numbers.

    Attributes:
        name: What rows are called.
        network: The network where none is asked for.
        resize: How image files of another size are resized, one of
            `resize.MODES`; None: image files are not what rows come from.
    """

    name = "rows"
    network = "table_mlp"
    resize = None

    def check(self, spec):
        """Refuses inputs that are not of the kind.

        Args:
            spec: Nested `tf.TensorSpec` of a row.

        Raises:
            InputError: If they are not.
        """

    def views(self, spec):
        """Names the part that makes weak and strong views of rows.

        Args:
            spec: Nested `tf.TensorSpec` of a raw row.

        Returns:
            A string; None: there is none.
        """
        flat = tf.nest.flatten(spec)
        is_row = len(flat) == 1 and flat[0].shape.rank == 1
        return "table" if is_row and flat[0].dtype.is_floating else None

    def columns(self, spec):
        """Says what columns of files hold the inputs.

        Args:
            spec: Nested `tf.TensorSpec` of a row.

        Returns:
            A dict from names, those of `spec` if it has any, to "numbers",
            "dates", "categories" or "texts"; empty: inputs are no columns.
        """
        return {}

    def encoding(self, split):
        """Makes the encoding, of training rows where it depends on rows.

        Args:
            split: A `Split` of raw inputs; labeled and unlabeled rows count.

        Returns:
            An `Encoding`.
        """
        return Encoding(split.labeled.spec)

    def pictures(self, inputs):
        """Makes pictures of rows.

        Args:
            inputs: What `Examples.read` returned, of n rows.

        Returns:
            An array `(n, height, width)` or `(n, height, width, 3)`, float32 in
            [0, 1]; None where rows are no pictures.
        """
        return None

    def texts(self, inputs):
        """Writes rows as a line of text each.

        Args:
            inputs: What `Examples.read` returned, of n rows.

        Returns:
            A list of n strings; None where rows cannot be written.
        """
        return None

    def decoder(self):
        """What makes inputs of whole files.

        Returns:
            A function from a string tensor `(n,)`, the content of n files, to
            raw inputs; it uses nothing but TensorFlow. None: rows are no files.
        """
        return None


@dataclasses.dataclass(frozen=True)
class Images(Kind):
    """Images in pixels.

    Args:
        max_value: The pixel value that stands for white, such as 255.
        shape: Height, width and channels, where they were made of files; None:
            they were not.
        mode: How files of another size are resized, one of `resize.MODES`.
    """

    max_value: float = 255.0
    shape: tuple[int, int, int] | None = None
    mode: str = "stretch"

    name = "images"
    network = "conv"

    @property
    def resize(self):
        """The mode, unless white is another value than in files."""
        return self.mode if self.max_value == 255 else None

    def check(self, spec):
        """Refuses what is no image; see `Kind.check`."""
        if spec.shape.rank != 3 or spec.dtype.name not in ("uint8", "float32"):
            raise InputError(
                "images must be uint8 or float32 of shape (n, height, width, "
                f"channels); got {spec.dtype.name} of shape "
                f"({', '.join(map(str, ('n', *spec.shape)))}); reshape or cast "
                "them"
            )

    def views(self, spec):
        """Those of images; see `Kind.views`."""
        return "images"

    def encoding(self, split):
        """The pixels as they are; a network scales them."""
        return Encoding(
            split.labeled.spec, options={"max_value": self.max_value}
        )

    def pictures(self, inputs):
        """The images, scaled for display."""
        # Slow to import, and needed at the end of a run alone.
        from tf_pseudolabel.lab.analysis import figures

        return figures.displayable(inputs, self.max_value)

    def decoder(self):
        """From image files to images, as training saw them.

        JPEG, PNG, GIF, WebP and BMP without a palette are read; of several
        frames the first.
        TensorFlow knows no EXIF orientation: photos that a camera held upright
        must be turned before. See `Kind.decoder`.
        """
        if self.shape is None:
            return None

        def image(content):
            *size, channels = self.shape
            is_png = tf.strings.substr(content, 0, 4) == b"\x89PNG"
            pixels = tf.cond(
                is_png | tf.io.is_jpeg(content),
                lambda: decode_with_tensorflow(content, channels),
                lambda: _decode_in_color(content, channels),
            )
            pixels = tf.ensure_shape(pixels, [None, None, channels])
            return tf.cond(
                tf.reduce_all(tf.shape(pixels) == self.shape),
                lambda: pixels,
                lambda: resize(pixels, size, self.mode),
            )

        spec = tf.TensorSpec(self.shape, tf.uint8)
        return lambda contents: tf.map_fn(
            image, contents, fn_output_signature=spec
        )


def _decode_in_color(content, channels):
    """Decodes what TensorFlow does not turn grey itself, and BMP."""
    content = without_palette(content)
    colors = max(channels, 3)
    pixels = tf.io.decode_image(content, colors, expand_animations=False)
    return tf.image.rgb_to_grayscale(pixels) if channels == 1 else pixels
