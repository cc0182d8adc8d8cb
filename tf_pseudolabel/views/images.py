"""Views of images: shifts and flips; and distortions, colours, a hole."""

import math

import keras
import tensorflow as tf

from tf_pseudolabel.part import finite
from tf_pseudolabel.registry import Flag, register
from tf_pseudolabel.views.view import Chain, View
from tf_pseudolabel.views.views import Views

FILLS = ("reflect", "constant")


def images(size=None, **choices):
    """Makes views of images for FixMatch and its successors.

    Args:
        size: Int, or height and width: of the images, to be checked. Defaults
            to any.
        **choices: Other arguments of `ImageViews`.

    Returns:
        `ImageViews`.

    Example:
    >>> import tf_pseudolabel as tpl
    >>> views = tpl.views.images(28, rotate=15, fill="constant")
    >>> tpl.presets.fixmatch(views=views).model["views"] is views
    True
    """
    return ImageViews(size, **choices)


@register(
    "views",
    "images",
    help="shifted; and rotated, sheared, zoomed, with other colours and a hole",
    flags=[
        Flag(
            "shift",
            0.125,
            "images: greatest shift, as a share of the side",
            least=0,
            below=1,
        ),
        Flag("flip", False, "images: flipped sideways, too; not for digits"),
        Flag("rotate", 20.0, "images: strong view, degrees", least=0, most=180),
        Flag("shear", 0.2, "images: strong view, shear", least=0, most=1),
        Flag("zoom", 0.15, "images: strong view, zoom", least=0, below=1),
        Flag(
            "cutout",
            0.5,
            "images: strong view, side of the square that is cut out",
            least=0,
            most=1,
        ),
        Flag("colours", 0.5, "images: strong view, colours", least=0, most=1),
        Flag(
            "fill",
            "reflect",
            "images: what is beyond the edges",
            choices=["reflect", "constant"],
        ),
        Flag(
            "student_view",
            "strong",
            "images: what the student sees: strong, weak (another draw), or "
            "the same as the teacher",
            choices=["strong", "weak", "same"],
        ),
        Flag("copies", 1, "images: views of each unlabeled row", least=1),
    ],
    says="the teacher sees shifted images, the student its {student_view} view",
)
class ImageViews(Views):
    """A weak and a strong view of images.

    The weak view is shifted by whole pixels and, if that is meant, flipped. The
    strong one is shifted, flipped, rotated, sheared and zoomed by one map for
    each row, changed in its colours, and has a square cut out, as Sohn et al.
    ("FixMatch", NeurIPS 2020) distort images for the student. Theirs
    (RandAugment) applies two of fourteen operations, drawn for each image; here
    each row gets all of them, each with a random strength, of which geometry
    costs a single resampling.

    Args:
        size: Int, or height and width: of the images, to be checked. Defaults
            to any.
        shift: Float in [0, 1): greatest shift, as a share of height and width.
            Defaults to 0.125 (4 of 32 pixels), as in FixMatch.
        flip: Whether half of the rows are flipped from left to right: for
            photos; not for digits or text, which mean something else then.
            Defaults to False.
        rotate: Float: greatest rotation to either side, in degrees. Far above
            30 a 6 becomes a 9.
        shear: Float in [0, 1]: greatest shear to either side, on both axes.
        zoom: Float in [0, 1): sizes are multiplied by 1 - zoom to 1 + zoom.
        cutout: Float in [0, 1]: side of the square that is cut out, as a share
            of height and width, at a place that is drawn (DeVries & Taylor,
            2017). Defaults to 0.5, as in FixMatch.
        colours: Float in [0, 1]: brightness, contrast and, of colour images,
            saturation are multiplied by 1 - colours to 1 + colours.
        fill: What is beyond the edges: `"reflect"`, or `"constant"`: 0.
        student_view: What the student sees: `"strong"`; `"weak"`, another draw
            of the weak view (Mean Teacher, Pi-model); or `"same"`, what the
            teacher sees (MixMatch).
        copies: As for `Views`.
        max_value: Float: the value of white, above which nothing is left.
            Defaults to 255 for whole numbers; floats then stay as they come.
        seed: As for `Views`.
        name: Name of the layer.

    Raises:
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        size=None,
        shift=0.125,
        flip=False,
        rotate=20.0,
        shear=0.2,
        zoom=0.15,
        cutout=0.5,
        colours=0.5,
        fill="reflect",
        student_view="strong",
        copies=1,
        max_value=None,
        seed=None,
        name=None,
    ):
        geometry = Affine(shift, flip, rotate, shear, zoom, fill, size)
        weak = Affine(shift, flip, fill=fill, size=size)
        strong = [geometry, Colours(colours, max_value), Cutout(cutout)]
        students = {"strong": Chain(strong), "weak": weak, "same": None}
        if student_view not in students:
            raise ValueError(
                f"`student_view` is one of {', '.join(students)}; got "
                f"{student_view!r}."
            )
        super().__init__(weak, students[student_view], copies, seed, name)
        self._config = {
            **geometry.get_config(),
            "cutout": cutout,
            "colours": colours,
            "student_view": student_view,
            "copies": copies,
            "max_value": max_value,
            "seed": seed,
        }

    def get_config(self):
        """Returns the constructor's arguments."""
        return dict(self._config)

    @classmethod
    def from_config(cls, config):
        """Makes the views that `get_config` described."""
        return cls(**config)


def within(name, value, most, below=False):
    """Returns a number of a view; raises ValueError if it is out of range.

    Args:
        name: What it is called.
        value: A number.
        most: Float: the greatest one; the least is 0.
        below: Bool: whether it must be below that.
    """
    value = finite(name, value)
    if not 0 <= value <= most or (below and value == most):
        bracket = ")" if below else "]"
        raise ValueError(
            f"`{name}` must be in [0, {most:g}{bracket}; got {value:g}."
        )
    return value


def _check_images(x):
    spec = tf.nest.flatten(x)[0]
    if len(tf.nest.flatten(x)) > 1 or len(spec.shape) != 4:
        raise ValueError(
            "Views of images are for one input (batch, height, width, "
            f"channels); got {tf.nest.map_structure(lambda s: s.shape, x)}. "
            "Use tpl.views.table or tpl.views.text, or Views of your own."
        )
    if None in spec.shape[1:]:
        raise ValueError(
            "Views of images are for images of one size, known before they "
            f"come; got {tuple(spec.shape)}. Resize them first, and give the "
            "classifier a keras.Input of that shape."
        )
    return spec.shape


class Affine(View):
    """Shifts, flips, rotates, shears and zooms every image, in one map.

    Args:
        shift, flip, rotate, shear, zoom, fill, size: As for `ImageViews`.
            Without rotation, shear and zoom, shifts are whole pixels.
    """

    def __init__(
        self,
        shift=0.0,
        flip=False,
        rotate=0.0,
        shear=0.0,
        zoom=0.0,
        fill="reflect",
        size=None,
    ):
        self.shift = within("shift", shift, 1, below=True)
        self.flip = bool(flip)
        self.rotate = within("rotate", rotate, 180)
        self.shear = within("shear", shear, 1)
        self.zoom = within("zoom", zoom, 1, below=True)
        if fill not in FILLS:
            raise ValueError(
                f"`fill` is one of {', '.join(FILLS)}; got {fill!r}."
            )
        self.fill = fill
        self.size = (size, size) if isinstance(size, int) else size
        self._by_pixels = not (self.rotate or self.shear or self.zoom)
        # XLA has no kernel of TensorFlow's projective maps.
        self.supports_jit = self._by_pixels

    def check(self, x):
        """Refuses what is no image of the size; see `View.check`."""
        shape = _check_images(x)
        if self.size is not None and tuple(shape[1:3]) != tuple(self.size):
            raise ValueError(
                f"Images must be of the size that their views are for, "
                f"{tuple(self.size)}; got {tuple(shape[1:3])}."
            )

    def __call__(self, x, draws):
        """Makes the view; see `View.__call__`."""
        height, width = x.shape[1:3]
        numbers = tf.unstack(draws.uniform(7, low=-1.0), axis=1)
        down, right, *strengths, side = numbers
        down, right = self.shift * height * down, self.shift * width * right
        flip = tf.sign(side) if self.flip else tf.ones_like(side)
        if self._by_pixels:
            return _shifted(x, down, right, flip, self.fill)
        linear = self._linear(*strengths, flip)
        matrix = _about_the_centre(linear, right, down, height, width)
        moved = keras.ops.image.affine_transform(
            tf.cast(x, tf.float32),
            tf.reshape(matrix, [-1, 9])[:, :8],
            interpolation="bilinear",
            fill_mode=self.fill,
            fill_value=0.0,
        )
        moved = tf.ensure_shape(moved, x.shape)
        return _as(moved, x.dtype)

    def _linear(self, angle, shear_x, shear_y, zoom, flip):
        """From places of the view to places of the image, `(n, 2, 2)`."""
        angle *= math.radians(self.rotate)
        scale = 1.0 / (1.0 + self.zoom * zoom)
        turned = _matrices(
            [tf.cos(angle), -tf.sin(angle)], [tf.sin(angle), tf.cos(angle)]
        )
        sheared = _matrices(
            [tf.ones_like(angle), self.shear * shear_x],
            [self.shear * shear_y, tf.ones_like(angle)],
        )
        linear = turned @ sheared * scale[:, tf.newaxis, tf.newaxis]
        sides = tf.stack([flip, tf.ones_like(flip)], axis=-1)
        return linear * sides[:, :, tf.newaxis]

    def get_config(self):
        """Returns the constructor's arguments."""
        names = ("shift", "flip", "rotate", "shear", "zoom", "fill", "size")
        return {name: getattr(self, name) for name in names}


def _shifted(x, down, right, flip, fill):
    """Images moved by whole pixels: the pixels of a map, and faster."""
    height, width, channels = x.shape[1:]
    columns = tf.range(width, dtype=tf.float32)
    flipped = tf.where(flip[:, tf.newaxis] < 0, width - 1 - columns, columns)
    rows = tf.range(height, dtype=tf.float32) + tf.round(down)[:, tf.newaxis]
    columns = flipped + tf.round(right)[:, tf.newaxis]
    rows, no_row = _inside(rows, height)
    columns, no_column = _inside(columns, width)
    first = tf.range(tf.shape(x)[0])[:, tf.newaxis] * height
    places = ((first + rows) * width)[..., tf.newaxis]
    places += columns[:, tf.newaxis]
    pixels = tf.gather(tf.reshape(x, [-1, channels]), tf.reshape(places, [-1]))
    moved = _in_shape(pixels, x)
    if fill == "reflect":
        return moved
    beyond = no_row[:, :, tf.newaxis] | no_column[:, tf.newaxis]
    return tf.where(beyond[..., tf.newaxis], tf.zeros_like(x), moved)


def _inside(places, size):
    """Places reflected into an image, and which of them lie beyond it."""
    places = tf.cast(places, tf.int32)
    around = tf.math.floormod(places, 2 * size)
    return (
        tf.minimum(around, 2 * size - 1 - around),
        (places < 0) | (places >= size),
    )


def _matrices(first, second):
    return tf.stack([tf.stack(first, axis=-1), tf.stack(second, axis=-1)], 1)


def _about_the_centre(linear, right, down, height, width):
    """A linear map that leaves the centre where it is, and then a shift."""
    centre = tf.constant([(width - 1) / 2, (height - 1) / 2])
    moved = tf.linalg.matvec(linear, centre)
    offset = centre - moved + tf.stack([right, down], axis=-1)
    top = tf.concat([linear, offset[..., tf.newaxis]], axis=2)
    last = tf.constant([[[0.0, 0.0, 1.0]]])
    return tf.concat([top, tf.tile(last, [tf.shape(top)[0], 1, 1])], axis=1)


def _as(x, dtype):
    """Floats as another dtype; whole numbers are rounded."""
    if dtype.is_floating:
        return tf.cast(x, dtype)
    return tf.saturate_cast(tf.round(x), dtype)


class Colours(View):
    """Changes brightness, contrast and saturation of every image.

    Args:
        colours, max_value: As for `ImageViews`.
    """

    def __init__(self, colours=0.5, max_value=None):
        self.colours = within("colours", colours, 1)
        self.max_value = max_value

    def check(self, x):
        """Refuses what is no image; see `View.check`."""
        _check_images(x)

    def __call__(self, x, draws):
        """Makes the view; see `View.__call__`."""
        if not self.colours:
            return x
        factors = 1 + self.colours * draws.uniform(3, 1, low=-1.0)
        bright, contrast, saturation = tf.unstack(factors, axis=1)
        # An image is a row: with four axes it takes half as long again.
        pixels = tf.reshape(
            tf.cast(x, tf.float32), [-1, math.prod(x.shape[1:])]
        )
        pixels *= bright
        mean = tf.reduce_mean(pixels, axis=1, keepdims=True)
        pixels = mean + (pixels - mean) * contrast
        if x.shape[-1] == 3:
            pixels = _saturated(pixels, saturation)
        white = self.max_value
        if white is None and x.dtype.is_integer:
            white = 255.0
        if white is not None:
            pixels = tf.clip_by_value(pixels, 0.0, white)
        return _as(_in_shape(pixels, x), x.dtype)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"colours": self.colours, "max_value": self.max_value}


def _saturated(pixels, saturation):
    """Rows of three colours, between grey and twice as pure."""
    saturation = saturation[:, tf.newaxis]
    # Weights of ITU-R BT.601, as `tf.image.rgb_to_grayscale` has them.
    grey = tf.tile([[0.2989], [0.5870], [0.1140]], [1, 3])
    mixed = saturation * tf.eye(3) + (1 - saturation) * grey
    colours = tf.reshape(pixels, [-1, pixels.shape[1] // 3, 3]) @ mixed
    return tf.reshape(colours, tf.shape(pixels))


def _in_shape(pixels, x):
    return tf.ensure_shape(tf.reshape(pixels, tf.shape(x)), x.shape)


class Cutout(View):
    """Sets a square of every image to 0, at a place that is drawn.

    Its centre lies anywhere in the image, and the square may stand out of it.

    Args:
        cutout: As for `ImageViews`.
    """

    def __init__(self, cutout=0.5):
        self.cutout = within("cutout", cutout, 1)

    def check(self, x):
        """Refuses what is no image; see `View.check`."""
        _check_images(x)

    def __call__(self, x, draws):
        """Makes the view; see `View.__call__`."""
        places = draws.uniform(2)
        height, width, channels = x.shape[1:]
        rows = _near(height, self.cutout, places[:, 0])
        columns = _near(width, self.cutout, places[:, 1])
        # Channels beside columns: a mask that is repeated for every channel
        # takes ten times as long.
        columns = tf.repeat(columns, channels, axis=1)
        rows, columns = tf.cast(rows, x.dtype), tf.cast(columns, x.dtype)
        kept = 1 - rows[:, :, tf.newaxis] * columns[:, tf.newaxis]
        lines = tf.reshape(x, [-1, height, width * channels])
        return _in_shape(lines * kept, x)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"cutout": self.cutout}


def _near(size, share, places):
    """Which of `size` pixels are in an interval, bool `(n, size)`."""
    length = round(share * size)
    first = tf.floor(places * size)[:, tf.newaxis] - length // 2
    pixels = tf.range(size, dtype=tf.float32)
    return (pixels >= first) & (pixels < first + length)
