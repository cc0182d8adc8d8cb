"""Random numbers that belong to rows, wherever and whenever these are seen."""

import tensorflow as tf


class Draws:
    """Random numbers for the rows of a batch.

    They are a function of a seed, of the update and of a row's place in the
    global batch: the same on one replica and on several, and after a resume.
    Every call draws further ones.

    Args:
        seed: Int tensor `(2,)`.
        update: Int scalar: the number of the update.
        first: Int: the place of the first row within the global batch.
        count: Int: rows at hand.
        total: Int: rows of the global batch.
    """

    def __init__(self, seed, update, first, count, total):
        self._seed = tf.random.fold_in(tf.cast(seed, tf.int32), update)
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
        seed = tf.random.fold_in(self._seed, self._calls)
        self._calls += 1
        # Of all rows, so that those of a replica are what one device draws.
        numbers = tf.random.stateless_uniform(
            [self._total, *shape], seed, low, high
        )
        return numbers[self._first : self._first + self._count]
