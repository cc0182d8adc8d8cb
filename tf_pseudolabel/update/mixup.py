"""Mixup: rows mixed with other rows of the batch, and their labels alike.

Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
"""

import keras
import tensorflow as tf

from tf_pseudolabel.streams import merging as streams


class Mixup(keras.layers.Layer):
    """Mixes every row of both batches with a row of either batch.

    `share * row + (1 - share) * other row`, for inputs, labels and sample
    weights, with one share drawn from Beta(strength, strength) per update and
    one random order of all rows. A layer, so that checkpoints hold its seed.

    Args:
        strength: Float above 0. Arazo et al. (2020) use 4.
    """

    def __init__(self, strength, **kwargs):
        super().__init__(**kwargs)
        self.strength = strength
        self.seed = keras.random.SeedGenerator()
        # XLA has no gamma distribution, of which Keras makes its beta.
        self.supports_jit = False
        self.built = True

    def mix(self, *batches):
        """Mixes batches with one another.

        Args:
            *batches: Nested tensors `(batch, ...)` of equal structure; None
                for a batch without rows.

        Returns:
            A list like `batches`, of floats.
        """
        present = [batch for batch in batches if batch is not None]
        if not present:
            return list(batches)
        sizes = [streams.count_rows(batch) for batch in present]
        beta = self.strength, self.strength
        share = keras.random.beta((), *beta, seed=self.seed)
        order = keras.random.shuffle(tf.range(sum(sizes)), seed=self.seed)

        def mixed(*parts):
            rows = tf.cast(tf.concat(parts, axis=0), share.dtype)
            rows = share * rows + (1 - share) * tf.gather(rows, order)
            return tf.split(rows, sizes)

        leaves = zip(*map(tf.nest.flatten, present), strict=True)
        mixed_batches = zip(*(mixed(*parts) for parts in leaves), strict=True)
        found = iter(
            tf.nest.pack_sequence_as(present[0], list(batch))
            for batch in mixed_batches
        )
        return [batch if batch is None else next(found) for batch in batches]
