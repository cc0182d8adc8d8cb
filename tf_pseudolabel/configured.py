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

    def __repr__(self):
        values = self.get_config().items()
        arguments = ", ".join(f"{name}={value!r}" for name, value in values)
        return f"{type(self).__name__}({arguments})"
