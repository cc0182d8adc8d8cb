"""Mixup: rows mixed with other rows of the batch, and their labels alike.

Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
"""

import keras
import tensorflow as tf

from tf_pseudolabel.losses import rows
from tf_pseudolabel.part import Number, Part


def _is_strength(strength):
    if strength <= 0:
        raise ValueError(
            "`mixup` is the parameter of a beta distribution, above 0, or 0 "
            f"for none; got {strength}."
        )


FORMS = ("joint", "nearest", "apart")


class Mixup(Part):
    """Mixes every row with another one, and its label alike.

    `share * row + (1 - share) * other row`, for inputs, labels and sample
    weights, where shares are drawn from Beta(strength, strength), and the other
    rows by a random order. Replicas mix their own rows. Checkpoints hold its
    seed.

    Args:
        strength: Float above 0. May be changed while it trains.
        form: Who is mixed. `"joint"`: rows of both batches with rows of either,
            by one share per update (Arazo et al., 2020). `"nearest"`: the same,
            by a share for each row, the larger one of which is the row's own,
            so that it stays near itself (Berthelot et al., "MixMatch", NeurIPS
            2019, equations 8 to 11). `"apart"`: each batch with itself, by one
            share (Verma et al., "Interpolation Consistency Training", IJCAI
            2019).
        name: Name of the layer.

    Raises:
        ValueError: If the strength is not above 0, or the form unknown.
    """

    strength = Number(_is_strength)
    traced_attributes = ("form",)

    def __init__(self, strength, form="joint", name=None):
        super().__init__(name=name)
        self.strength = strength
        if form not in FORMS:
            raise ValueError(
                f"`form` is one of {', '.join(FORMS)}; got {form!r}."
            )
        self.form = form
        self.seed = keras.random.SeedGenerator()
        # XLA has no gamma distribution, of which Keras makes its beta.
        self.supports_jit = False

    def mix(self, *batches):
        """Mixes batches with one another, or each with itself.

        Args:
            *batches: `Batch`es with labels; None for one without rows.

        Returns:
            A list like `batches`, of floats; weights of 1 where there were
            none.
        """
        present = [batch for batch in batches if batch is not None]
        if self.form == "apart":
            mixed = [part for batch in present for part in self._mixed(batch)]
        else:
            mixed = self._mixed(*present) if present else []
        found = iter(mixed)
        return [batch and _replaced(batch, *next(found)) for batch in batches]

    def _mixed(self, *batches):
        """Inputs, labels and weights of batches that are mixed together."""
        parts = [_complete(batch) for batch in batches]
        sizes = [batch.count for batch in batches]
        total = sum(sizes)
        share = self._share(total)
        order = keras.random.shuffle(tf.range(total), seed=self.seed)

        def mixed(*leaves):
            whole = tf.cast(tf.concat(leaves, axis=0), share.dtype)
            own = _over_rows(share, whole)
            whole = own * whole + (1 - own) * tf.gather(whole, order)
            return tf.split(whole, sizes)

        leaves = zip(*map(tf.nest.flatten, parts), strict=True)
        split = zip(*(mixed(*leaf) for leaf in leaves), strict=True)
        return [tf.nest.pack_sequence_as(parts[0], list(x)) for x in split]

    def _share(self, count):
        strength = self.strength
        drawn = {"dtype": "float32", "seed": self.seed}
        if self.form != "nearest":
            return keras.random.beta((), strength, strength, **drawn)
        share = keras.random.beta((count,), strength, strength, **drawn)
        return tf.maximum(share, 1 - share)

    def save_own_variables(self, store):
        """Saves the seed, too, which Keras leaves out."""
        super().save_own_variables(store)
        store["seed"] = keras.ops.convert_to_numpy(self.seed.state)

    def load_own_variables(self, store):
        """Loads what `save_own_variables` saved."""
        self.seed.state.assign(store["seed"])
        names = set(store.keys()) - {"seed"}
        super().load_own_variables({name: store[name] for name in names})

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"strength": self.strength, "form": self.form}


def _over_rows(share, rows):
    """A share of the batch, or one for each row, that multiplies rows."""
    if not share.shape.rank:
        return share
    return tf.reshape(share, [-1] + [1] * (rows.shape.rank - 1))


def _replaced(batch, x, y, weight):
    return batch._replace(x=x, y=y, weight=weight)


def _complete(batch):
    """Inputs, labels, and a weight for every position."""
    positions = batch.y if batch.y.shape.rank == 1 else batch.y[..., 0]
    each = tf.ones_like(positions, tf.float32)
    weight = each if batch.weight is None else rows.like(batch.weight, each)
    return batch.x, batch.y, weight * each
