"""Two views of every unlabeled row: the teacher's and the student's."""

import typing

import keras
import tensorflow as tf

from tf_pseudolabel.part import Part
from tf_pseudolabel.views.draws import Draws
from tf_pseudolabel.views.view import View


class Viewed(typing.NamedTuple):
    """Inputs of an unlabeled stream that brings its views itself.

    In the place of `x`: `unlabeled.map(lambda x: Viewed(weak(x), strong(x)))`.

    Attributes:
        weak: Inputs that the teacher sees.
        strong: Inputs that the student sees; `()` for the same ones.
        index: Int64 tensor `(batch,)`: a number that each row keeps from pass
            to pass, for parts that remember rows; `()` where there is none.
    """

    weak: typing.Any
    strong: typing.Any = ()
    index: typing.Any = ()


class Views(Part):
    """Makes the views of a batch, on the device, within the update.

    Labeled rows and the teacher see the weak view, the student sees the strong
    one (Sohn et al., "FixMatch", NeurIPS 2020).

    Args:
        weak: A `View`; or a callable from a batch of inputs to a batch like it,
            a Keras layer for example, which is called in training mode.
            `images` makes both. Defaults to None: the inputs as they are.
        strong: The same for the student. Defaults to None: what the teacher
            sees.
        seed: Int: of the random numbers of `View`s, which are a function of it,
            of the update and of a row's place in the batch. Defaults to None:
            drawn from the seed of `keras.utils.set_random_seed`.
        name: Name of the layer.
    """

    traced_attributes = ("weak", "strong")

    def __init__(self, weak=None, strong=None, seed=None, name=None):
        super().__init__(name=name)
        for which, view in (("weak", weak), ("strong", strong)):
            if view is not None and not callable(view):
                raise ValueError(
                    f"`{which}` takes a callable from a batch of inputs to a "
                    f"batch like it, such as a Keras layer; got {view!r}."
                )
        self.weak = weak
        self.strong = strong
        self.seed = seed
        self._random = [v for v in (weak, strong) if isinstance(v, View)]
        if self._random:
            # A weight, so that a run that goes on has it; never moved.
            self._generator = keras.random.SeedGenerator(seed)
        self.supports_jit = all(view.supports_jit for view in self._random)

    def build(self, spec):
        """Makes the number of the update; see `Part.build`."""
        if self._random:
            self._update = self.state("update")

    def check(self, x):
        """Refuses inputs that a view cannot mean.

        Args:
            x: Nested specs of a batch of inputs.

        Raises:
            ValueError: If a view is for inputs of another kind.
        """
        for view in self._random:
            view.check(x)

    def labeled(self, x, places):
        """Makes what is seen of labeled inputs.

        Args:
            x: A batch of inputs.
            places: Where its rows are in the global batch, `batch.Places`.

        Returns:
            A batch like it.
        """
        return _seen(self.weak, x, self._draws(0, places))

    def unlabeled(self, x, places):
        """Makes both views of unlabeled inputs.

        Args:
            x: A batch of inputs.
            places: As for `labeled`.

        Returns:
            The teacher's view and the student's, one tensor where it is one.
        """
        weak = _seen(self.weak, x, self._draws(1, places))
        if self.strong is None:
            return weak, weak
        return weak, _seen(self.strong, x, self._draws(2, places))

    def after_update(self, context):
        """Counts updates; see `Part.after_update`."""
        if self._random:
            self._update.assign_add(1.0)

    def _draws(self, side, places):
        if not self._random:
            return None
        seed, _ = tf.unstack(tf.cast(self._generator.state.value, tf.int32))
        update = tf.cast(self._update.value, tf.int32)
        return Draws(tf.stack([seed, side]), update, *places)

    def get_config(self):
        """Returns the constructor's arguments, serialized."""
        return {
            "weak": keras.saving.serialize_keras_object(self.weak),
            "strong": keras.saving.serialize_keras_object(self.strong),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        """Makes the views that `get_config` described."""
        make = keras.saving.deserialize_keras_object
        made = {which: make(config.pop(which)) for which in ("weak", "strong")}
        return cls(**made, **config)


def _seen(view, x, draws):
    if view is None:
        return x
    if isinstance(view, View):
        return view(x, draws)
    if isinstance(view, keras.Layer):
        return view(x, training=True)
    return view(x)
