"""A random view of rows, whose randomness is every row's own."""

import keras

from tf_pseudolabel import registry
from tf_pseudolabel.part import Configured


class View(Configured):
    """Makes a view of a batch from random numbers of its rows.

    In the place of a Keras layer, whose random numbers depend on how often it
    was called: a run that goes on, or is shared by replicas, sees the same.
    """

    # Whether XLA compiles it.
    supports_jit = True

    def __init_subclass__(cls, **kwargs):
        """Lets Keras find the class when a model is loaded."""
        super().__init_subclass__(**kwargs)
        package = registry.package_of(cls.__module__)
        keras.saving.register_keras_serializable(package)(cls)

    def check(self, x):
        """Refuses inputs that it cannot mean.

        Args:
            x: Nested specs of a batch.

        Raises:
            ValueError: If they are of another kind.
        """

    def __call__(self, x, draws):
        """Makes the view.

        Args:
            x: A batch of inputs.
            draws: The `Draws` of its rows.

        Returns:
            A batch like it.
        """
        raise TypeError(f"{type(self).__name__} must define __call__.")


class Chain(View):
    """Views one after the other.

    Args:
        views: List of `View`s.
    """

    def __init__(self, views):
        self.views = list(views)
        self.supports_jit = all(view.supports_jit for view in self.views)

    def check(self, x):
        """Asks all of them; see `View.check`."""
        for view in self.views:
            view.check(x)

    def __call__(self, x, draws):
        """Makes the view; see `View.__call__`."""
        for view in self.views:
            x = view(x, draws)
        return x

    def get_config(self):
        """Returns the constructor's arguments, serialized."""
        serialize = keras.saving.serialize_keras_object
        return {"views": [serialize(view) for view in self.views]}

    @classmethod
    def from_config(cls, config):
        """Makes the views that `get_config` described."""
        make = keras.saving.deserialize_keras_object
        return cls([make(view) for view in config["views"]])
