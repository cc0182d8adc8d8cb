"""Two views of every unlabeled row: the teacher's and the student's."""

import typing

import keras

from tf_pseudolabel.part import Part


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
        weak: Callable from a batch of inputs to a batch like it, a Keras layer
            for example, which is called in training mode. Defaults to None: the
            inputs as they are.
        strong: The same for the student. Defaults to None: what the teacher
            sees.
        name: Name of the layer.
    """

    traced_attributes = ("weak", "strong")

    def __init__(self, weak=None, strong=None, name=None):
        super().__init__(name=name)
        for which, view in (("weak", weak), ("strong", strong)):
            if view is not None and not callable(view):
                raise ValueError(
                    f"`{which}` takes a callable from a batch of inputs to a "
                    f"batch like it, such as a Keras layer; got {view!r}."
                )
        self.weak = weak
        self.strong = strong

    def labeled(self, x):
        """Makes what is seen of labeled inputs.

        Args:
            x: A batch of inputs.

        Returns:
            A batch like it.
        """
        return _seen(self.weak, x)

    def unlabeled(self, x):
        """Makes both views of unlabeled inputs.

        Args:
            x: A batch of inputs.

        Returns:
            The teacher's view and the student's, one tensor where it is one.
        """
        weak = _seen(self.weak, x)
        return weak, weak if self.strong is None else _seen(self.strong, x)

    def get_config(self):
        """Returns the constructor's arguments, serialized."""
        return {
            "weak": keras.saving.serialize_keras_object(self.weak),
            "strong": keras.saving.serialize_keras_object(self.strong),
        }

    @classmethod
    def from_config(cls, config):
        """Makes the views that `get_config` described."""
        made = {
            which: keras.saving.deserialize_keras_object(view)
            for which, view in config.items()
        }
        return cls(**made)


def _seen(view, x):
    if view is None:
        return x
    if isinstance(view, keras.Layer):
        return view(x, training=True)
    return view(x)
