"""Two views of every unlabeled row: the teacher's and the student's."""

import typing

import keras
import tensorflow as tf

from tf_pseudolabel import compat
from tf_pseudolabel.views.draws import Drawing
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


class Views(Drawing):
    """Makes the views of a batch, on the device, within the update.

    Labeled rows and the teacher see the weak view, the student sees the strong
    one (Sohn et al., "FixMatch", NeurIPS 2020).

    Args:
        weak: A `View`; or a callable from a batch of inputs to a batch like it,
            a Keras layer for example, which is called in training mode.
            `images` makes both. Defaults to None: the inputs as they are.
        strong: The same for the student. Defaults to None: what the teacher
            sees.
        copies: Int: views of each unlabeled row, each a row of its own, whose
            beliefs are the mean over them (Berthelot et al., "MixMatch",
            NeurIPS 2019, where there are 2). Defaults to 1.
        seed: Int: of the random numbers of `View`s, which are a function of it,
            of the update and of a row's place in the batch. Defaults to None:
            drawn from the seed of `keras.utils.set_random_seed`.
        name: Name of the layer.
    """

    traced_attributes = ("weak", "strong", "copies")

    def __init__(self, weak=None, strong=None, copies=1, seed=None, name=None):
        super().__init__(seed, name)
        for which, view in (("weak", weak), ("strong", strong)):
            if view is not None and not callable(view):
                raise ValueError(
                    f"`{which}` takes a callable from a batch of inputs to a "
                    f"batch like it, such as a Keras layer; got {view!r}."
                )
        if not copies >= 1:
            raise ValueError(
                f"`copies` counts views of a row, at least 1; got {copies}."
            )
        self.weak = weak
        self.strong = strong
        self.copies = int(copies)
        self._random = [v for v in (weak, strong) if isinstance(v, View)]
        self.is_random = bool(self._random)
        self.supports_jit = all(view.supports_jit for view in self._random)

    def check(self, x):
        """Refuses inputs that a view cannot mean.

        Args:
            x: Nested specs of a batch of inputs.

        Raises:
            ValueError: If a view is for inputs of another kind.
        """
        for view in self._random:
            view.check(x)

    def made(self, which, x):
        """Tells what a view makes of inputs, where it may be anything.

        Args:
            which: `"weak"` or `"strong"`.
            x: Nested specs of a batch of inputs.

        Returns:
            Nested specs, or whatever else it returns.

        Raises:
            ValueError: If it does not take such inputs.
        """
        view = getattr(self, which)
        if view is None or isinstance(view, View):
            return x
        traced = tf.function(
            lambda inputs: _seen(view, inputs, None), autograph=False
        )
        try:
            return traced.get_concrete_function(x).structured_outputs
        except Exception as error:  # Whatever a user's callable raises.
            raise ValueError(
                f"`{which}` does not take the inputs of the streams. It says: "
                f"{compat.told(error)}"
            ) from error

    def labeled(self, x, places, again=False):
        """Makes what is seen of labeled inputs.

        Args:
            x: A batch of inputs.
            places: Where its rows are in the global batch, `batch.Places`.
            again: Whether it is another draw.

        Returns:
            A batch like it.
        """
        return _seen(self.weak, x, self.draws(places, 3 if again else 0))

    def unlabeled(self, x, places):
        """Makes both views of unlabeled inputs.

        Args:
            x: A batch of inputs.
            places: As for `labeled`.

        Returns:
            The teacher's view and the student's, one tensor where it is one.
        """
        weak = _seen(self.weak, x, self.draws(places, 1))
        if self.strong is None:
            return weak, weak
        return weak, _seen(self.strong, x, self.draws(places, 2))

    def averaged(self, probabilities):
        """Gives all copies of a row the mean of their probabilities.

        Args:
            probabilities: Float tensor `(copies · rows, ..., classes)`.

        Returns:
            A tensor like it.
        """
        if self.copies == 1:
            return probabilities
        shape = probabilities.shape[1:]
        apart = tf.reshape(probabilities, [-1, self.copies, *shape])
        return tf.repeat(tf.reduce_mean(apart, axis=1), self.copies, axis=0)

    def get_config(self):
        """Returns the constructor's arguments, serialized."""
        return {
            "weak": keras.saving.serialize_keras_object(self.weak),
            "strong": keras.saving.serialize_keras_object(self.strong),
            "copies": self.copies,
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
