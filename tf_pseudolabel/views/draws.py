"""Random numbers that belong to rows, wherever and whenever these are seen."""

import keras
import tensorflow as tf

from tf_pseudolabel.part import Part


class Draws:
    """Random numbers for the rows of a batch.

    They are a function of a seed, of the update and of a row's place in the
    global batch: the same on one replica and on several, and after a resume
    (XLA draws others). Every call draws further ones.

    Args:
        seed: Int tensor `(2,)`.
        update: Int scalar: the number of the update.
        first: Int: the place of the first row within the global batch.
        count: Int: rows at hand.
        total: Int: rows of the global batch.
    """

    def __init__(self, seed, update, first, count, total):
        self._seed = _folded(tf.cast(seed, tf.int32), update)
        places = [tf.cast(place, tf.int32) for place in (first, count, total)]
        self._first, self._count, self._total = places
        self._calls = 0

    def uniform(self, *shape, low=0.0, high=1.0):
        """Draws numbers for each row.

        Args:
            *shape: Ints: the shape of what a row gets.
            low: Float: least number.
            high: Float: numbers are below it.

        Returns:
            Float32 tensor `(count, *shape)`.
        """
        return self._own(tf.random.stateless_uniform, shape, low, high)

    def normal(self, *shape):
        """Draws numbers of mean 0 and deviation 1; see `uniform`."""
        return self._own(tf.random.stateless_normal, shape)

    def _own(self, draw, shape, *arguments):
        if None in shape:
            raise ValueError(
                "Random numbers of a row need inputs of a known shape; got "
                f"{shape}. Give all rows one shape."
            )
        seed = _folded(self._seed, self._calls)
        self._calls += 1
        # Of all rows, so that those of a replica are what one device draws.
        numbers = draw([self._total, *shape], seed, *arguments, alg=_ALGORITHM)
        return numbers[self._first : self._first + self._count]


# The same one on every device. XLA's draws other numbers from the same seed.
_ALGORITHM = "philox"


def _folded(seed, data):
    return tf.random.fold_in(seed, data, alg=_ALGORITHM)


class Drawing(Part):
    """A part that draws random numbers, and counts the updates for them.

    Args:
        seed: Int; None: drawn from that of `keras.utils.set_random_seed`.
        name: Name of the layer.
    """

    def __init__(self, seed=None, name=None):
        super().__init__(name=name)
        self.seed = seed

    # Whether there is anything to draw.
    is_random = True

    def build(self, spec):
        """Makes the seed and the number of the update; see `Part.build`."""
        if self.is_random:
            drawn = keras.random.SeedGenerator(self.seed).state
            start = int(keras.ops.convert_to_numpy(drawn)[0])
            # State, as Keras leaves generators out of .keras files.
            self._seed = self.state("seed", initial=start % 2**24)
            self._update = self.state("update")

    def draws(self, places, side=0):
        """Makes what draws for the rows of a batch.

        Args:
            places: Their `batch.Places`.
            side: Int: another one draws other numbers.

        Returns:
            `Draws`; None where there is nothing to draw.
        """
        if not self.is_random:
            return None
        seed = tf.cast(self._seed.value, tf.int32)
        update = tf.cast(self._update.value, tf.int32)
        return Draws(tf.stack([seed, side]), update, *places)

    def after_update(self, context):
        """Counts updates; see `Part.after_update`."""
        if self.is_random:
            self._update.assign_add(1.0)
