"""Small objects that are saved by their constructor's arguments."""


class Configured:
    """An object that Keras can write down and make again.

    Subclasses are registered with
    `keras.saving.register_keras_serializable(package="tf_pseudolabel")`, and
    extend `get_config` if their constructor takes arguments.
    """

    def get_config(self):
        """Returns the constructor's arguments as a dict of plain values."""
        return {}

    @classmethod
    def from_config(cls, config):
        """Makes the object that `get_config` described."""
        return cls(**config)
