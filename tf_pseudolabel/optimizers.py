"""The optimizer of Lee's experiments, and learning rates by weight."""

import functools

import keras
import tensorflow as tf

from tf_pseudolabel import compat


@keras.saving.register_keras_serializable(package="tf_pseudolabel")
class ScheduledMomentum(keras.optimizers.Optimizer):
    """Gradient descent with a momentum that follows a schedule.

    `step = p · step - (1 - p) · rate · gradient; weight += step` (Lee 2013,
    equations 10 to 13). The factor `1 - p` keeps the length of a step what the
    rate says, whatever the momentum: the step is a moving average of gradients.
    `keras.optimizers.SGD` lacks both the factor and the schedule.

    Args:
        learning_rate: Float, or a schedule of the number of updates.
        momentum: Float in `[0, 1)`, or a schedule with such values. Any
            `keras.optimizers.schedules.LearningRateSchedule` is one.
        **kwargs: As for every `keras.optimizers.Optimizer`.

    Raises:
        ValueError: If a constant momentum lies outside `[0, 1)`.
    """

    def __init__(
        self,
        learning_rate=1.5,
        momentum=0.5,
        name="scheduled_momentum",
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        if isinstance(momentum, dict):
            momentum = keras.saving.deserialize_keras_object(momentum)
        if not callable(momentum) and not 0 <= momentum < 1:
            raise ValueError(
                "`momentum` is a moving average's share of the past, in "
                f"[0, 1); got {momentum}. Lee's rises from 0.5 to 0.99."
            )
        self.momentum = momentum

    def build(self, variables):
        """Makes a moving average for every weight.

        Args:
            variables: List of the weights to be trained.
        """
        if self.built:
            return
        super().build(variables)
        self._steps = self.add_optimizer_variables(variables, "step")

    def update_step(self, gradient, variable, learning_rate):
        """Moves a weight, by equations 10 and 11.

        Args:
            gradient: Float tensor like `variable`.
            variable: A `tf.Variable`.
            learning_rate: Float scalar: the rate of this update.
        """
        step = compat.slot_of(self, self._steps, variable)
        momentum = self.momentum
        if callable(momentum):
            momentum = momentum(self.iterations)
        momentum = tf.cast(momentum, variable.dtype)
        rate = (1 - momentum) * tf.cast(learning_rate, variable.dtype)
        compat.momentum_step(
            variable,
            step,
            tf.cast(gradient, variable.dtype),
            rate,
            momentum,
        )

    def get_config(self):
        """Returns the constructor's arguments."""
        momentum = self.momentum
        if callable(momentum):
            momentum = keras.saving.serialize_keras_object(momentum)
        return {**super().get_config(), "momentum": momentum}


class _Scaled:
    """Multiplies the learning rate of the optimizer that it is mixed into."""

    def __init__(self, *args, scales, **kwargs):
        super().__init__(*args, **kwargs)
        self.scales = tuple(scales)

    def build(self, variables):
        """Makes the optimizer's variables.

        Args:
            variables: List of the weights to be trained.

        Raises:
            ValueError: If there is not a scale for each of them.
        """
        if len(variables) != len(self.scales):
            raise ValueError(
                "`scales` has one number for each trainable weight; got "
                f"{len(self.scales)} for {len(variables)} weights. Make it "
                "from the model's `trainable_variables`."
            )
        super().build(variables)

    def update_step(self, gradient, variable, learning_rate):
        """Moves a weight at its own rate.

        Args:
            gradient: Float tensor like `variable`.
            variable: A `tf.Variable`.
            learning_rate: Float scalar: the rate of this update.
        """
        scale = self.scales[compat.index_of(self, variable)]
        super().update_step(gradient, variable, scale * learning_rate)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "scales": list(self.scales)}


@functools.cache
def _scaled_class(cls):
    """The class with scales of a class of optimizers; Keras can load it."""
    register = keras.saving.register_keras_serializable("tf_pseudolabel")
    return register(type(f"Scaled{cls.__name__}", (_Scaled, cls), {}))


# For `load_model` in a process that has made none.
for _optimizer in (ScheduledMomentum, *vars(keras.optimizers).values()):
    _is_class = isinstance(_optimizer, type)
    if _is_class and issubclass(_optimizer, keras.optimizers.Optimizer):
        _scaled_class(_optimizer)


def scaled(optimizer, scales):
    """Makes an optimizer whose learning rate differs from weight to weight.

    For a backbone that has learned before, and a head that has not:

        slow = {id(weight) for weight in backbone.trainable_variables}
        scales = [
            0.1 if id(weight) in slow else 1.0
            for weight in model.trainable_variables
        ]
        model.compile(scaled(keras.optimizers.Adam(0.001), scales), ...)

    Schedules and callbacks move the one learning rate that is scaled. Decay of
    weights (`weight_decay`) goes on at the whole rate.

    Args:
        optimizer: A `keras.optimizers.Optimizer` that has trained nothing.
        scales: Floats: what multiplies the learning rate of each weight, in the
            order of the model's `trainable_variables`.

    Returns:
        A `keras.optimizers.Optimizer` with the same configuration.

    Raises:
        ValueError: If it is one around another one, or has scales.
    """
    if isinstance(optimizer, _Scaled):
        raise ValueError(
            "`optimizer` has scales already; got "
            f"{type(optimizer).__name__}. Scale the one that it was made of."
        )
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        raise ValueError(
            "`optimizer` must be the one that moves the weights; got a "
            "LossScaleOptimizer. Scale the one inside of it; under "
            "mixed_float16 `compile` puts a loss scale around it."
        )
    cls = _scaled_class(type(optimizer))
    config = {**optimizer.get_config(), "scales": list(scales)}
    return compat.with_decay_of(optimizer, cls.from_config(config))


def decaying(learning_rate, decay, steps_per_epoch):
    """Makes a learning rate that shrinks from epoch to epoch.

    Args:
        learning_rate: Float: that of the first epoch.
        decay: Float in `(0, 1]`: what an epoch makes of it.
        steps_per_epoch: Int: updates per epoch.

    Returns:
        A Keras schedule of the number of updates.
    """
    return keras.optimizers.schedules.ExponentialDecay(
        learning_rate, steps_per_epoch, decay, staircase=True
    )


def lee2013(
    steps_per_epoch,
    learning_rate=1.5,
    decay=0.998,
    momentum=0.5,
    final_momentum=0.99,
    momentum_epochs=500,
):
    """Makes the optimizer of Lee (2013) with its published schedules.

    The learning rate shrinks from epoch to epoch; the momentum rises in a
    straight line (equations 12 and 13).

    Args:
        steps_per_epoch: Int: updates per epoch.
        learning_rate: Float: the rate of the first epoch.
        decay: Float in `(0, 1]`: what an epoch makes of the rate.
        momentum: Float in `[0, 1)`: the momentum of the first update.
        final_momentum: Float in `[0, 1)`: that of the last ones.
        momentum_epochs: Number: epochs until then.

    Returns:
        A `ScheduledMomentum`.
    """
    return ScheduledMomentum(
        decaying(learning_rate, decay, steps_per_epoch),
        keras.optimizers.schedules.PolynomialDecay(
            momentum, momentum_epochs * steps_per_epoch, final_momentum
        ),
    )
