"""Mixup: rows mixed with other rows of the batch, and their labels alike.

Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
"""

import keras
import tensorflow as tf

from tf_pseudolabel.part import Number, Part


def _is_strength(strength):
    if strength <= 0:
        raise ValueError(
            "`mixup` is the parameter of a beta distribution, above 0, or 0 "
            f"for none; got {strength}."
        )


class Mixup(Part):
    """Mixes every row of both batches with a row of either batch.

    `share * row + (1 - share) * other row`, for inputs, labels and sample
    weights, with one share drawn from Beta(strength, strength) per update and
    one random order of all rows. Replicas mix their own rows. Checkpoints hold
    its seed.

    Args:
        strength: Float above 0. May be changed while it trains.
    """

    strength = Number(_is_strength)

    def __init__(self, strength):
        super().__init__()
        self.strength = strength
        self.seed = keras.random.SeedGenerator()
        # XLA has no gamma distribution, of which Keras makes its beta.
        self.supports_jit = False

    def mix(self, *batches):
        """Mixes batches with one another.

        Args:
            *batches: `Batch`es with labels; None for one without rows.

        Returns:
            A list like `batches`, of floats; weights of 1 where there were
            none.
        """
        present = [_complete(batch) for batch in batches if batch is not None]
        if not present:
            return list(batches)
        sizes = [batch.count for batch in batches if batch is not None]
        strength = self.strength
        share = keras.random.beta((), strength, strength, seed=self.seed)
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
        return [batch and _replaced(batch, *next(found)) for batch in batches]


def _replaced(batch, x, y, weight):
    return batch._replace(x=x, y=y, weight=weight)


def _complete(batch):
    weight = batch.weight
    if weight is None:
        weight = tf.ones([batch.count])
    return batch.x, batch.y, weight
