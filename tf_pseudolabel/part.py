"""What every choice of a method is made of: one protocol.

A method says whose output is believed (a teacher), what is corrected in it (an
alignment), which rows count and how much (a selection), what is made of them
(a target), what each side sees (views) and what is minimized (terms). Each
choice is a `Part`: a file of its own, and a row of the registry.
"""

import re
import typing
import weakref

import keras
import tensorflow as tf

from tf_pseudolabel import registry


class Spec(typing.NamedTuple):
    """What a part may know when it makes its variables.

    Attributes:
        classifier: The built `keras.Model` that is trained.
        scores: Shape of its output, `(None, ..., classes)`; with an axis of two
            classes more where every output is a yes or no.
    """

    classifier: keras.Model
    scores: tuple

    @property
    def classes(self):
        """Int: the number of classes."""
        return self.scores[-1]


class Progress(typing.NamedTuple):
    """Where training stands, for the hooks between epochs.

    Attributes:
        classifier: The built `keras.Model` that is trained.
        epoch: The epoch, from 0.
    """

    classifier: keras.Model
    epoch: int


class Number:
    """A number of a part that may be changed while it trains.

    Outside of a graph it is a Python float. Inside of one it is read from a
    variable, so that a step which was traced before hears of the change. The
    variable is not saved: the constructor's arguments hold the value.

    Args:
        rule: Callable from the value; raises ValueError where it cannot be
            meant. Defaults to None: any finite number.
    """

    def __init__(self, rule=None):
        self.rule = rule

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, part, owner=None):
        if part is None:
            return self
        numbers = part.__dict__.get("_numbers", {})
        if self.name not in numbers:
            raise AttributeError(self.name)
        value, variable = numbers[self.name]
        if not tf.inside_function():
            return value
        if variable is None:
            with tf.init_scope():
                self.make(part)
            _, variable = numbers[self.name]
        return variable.read_value()

    def make(self, part):
        """Makes the variable, which costs a trace more within one."""
        numbers = part.__dict__["_numbers"]
        value, _ = numbers[self.name]
        variable = tf.Variable(
            value,
            trainable=False,
            dtype=tf.float32,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        numbers[self.name] = (value, variable)

    def __set__(self, part, value):
        value = finite(self.name, value)
        if self.rule is not None:
            self.rule(value)
        numbers = part.__dict__.setdefault("_numbers", {})
        _, variable = numbers.get(self.name, (None, None))
        if variable is not None:
            variable.assign(value)
        numbers[self.name] = (value, variable)


def finite(name, value):
    """Returns a value as a float.

    Args:
        name: What it is called, for the message.
        value: A number.

    Raises:
        ValueError: If it is no finite number.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not abs(number) < float("inf"):
        raise ValueError(f"`{name}` must be a finite number; got {value!r}.")
    return number


def at_least_zero(name):
    """Makes the rule of a `Number` that must not be negative.

    Args:
        name: What it is called, for the message.
    """

    def rule(value):
        if value < 0:
            raise ValueError(
                f"`{name}` must be at least 0; got {value}. 0 switches it off."
            )

    return rule


class Configured:
    """An object that Keras can write down and make again.

    Subclasses extend `get_config` if their constructor takes arguments.
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


class Part(Configured, keras.layers.Layer):
    """One choice of a method.

    A layer of the model: its weights are saved, restored and mirrored like any
    other. Every hook does nothing unless a subclass says otherwise.

    Args:
        name: Name of the layer. Defaults to that of the class, in snake case.
    """

    # Attributes that are chosen for good: a step that is traced holds them.
    traced_attributes = ()
    # Whether it can be meant where a row has a label for every output.
    fits_multi_label = True
    # Whether it needs the number of every unlabeled row; it then says by `rows`
    # how many there are.
    remembers_rows = False
    # Arguments of its constructor that programs fill in, as data say them.
    from_data = ()
    # Whether it takes fractions of inputs.
    needs_floats = False

    def __init_subclass__(cls, **kwargs):
        """Lets Keras find the class when a model is loaded."""
        super().__init_subclass__(**kwargs)
        package = registry.package_of(cls.__module__)
        keras.saving.register_keras_serializable(package)(cls)

    def __init__(self, name=None):
        super().__init__(
            name=name or named_after(type(self)),
            dtype="float32",
            trainable=False,
        )
        self._owner = None

    def __setattr__(self, name, value):
        """Refuses what a traced step would not hear of."""
        used = getattr(self, "_owner", None) is not None
        if used and name in self.traced_attributes:
            raise AttributeError(
                f"`{name}` is chosen when a part is made, as a traced step "
                f"holds it; got {name}={value!r} for a part in use. Make "
                f"another {type(self).__name__}, and a model with it."
            )
        super().__setattr__(name, value)

    def build(self, spec):
        """Makes the part's variables, by `self.state`.

        Called when the model is made or, where its classifier is not built by
        then, when it is: in any case before weights are loaded or trained.

        Args:
            spec: A `Spec`.
        """

    def build_for(self, spec):
        """Calls `build`, once.

        Args:
            spec: A `Spec`.

        Raises:
            ValueError: If the part has variables of another model.
        """
        if self._owner is None:
            # Not the classifier itself, which would become a layer of this one.
            self._owner = weakref.ref(spec.classifier)
            # Keras' wrapper of `build` would keep the spec, and so do the same.
            type(self).build(self, spec)
            self.built = True
            for name in self.__dict__.get("_numbers", ()):
                getattr(type(self), name).make(self)
        elif self.weights and self._owner() is not spec.classifier:
            raise ValueError(
                f"{type(self).__name__} remembers what it has seen in another "
                "model. Make one for each model."
            )

    def state(self, name, shape=(), initial=0.0):
        """Makes a variable that training changes and checkpoints hold.

        Args:
            name: Its name.
            shape: Its shape.
            initial: Number that it begins with.

        Returns:
            A float32 Keras variable. Replicas must assign equal values, those
            of `replicas.sum_over_replicas` for example.
        """
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=keras.initializers.Constant(initial),
            dtype="float32",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )

    def begin(self, progress):
        """Called when a call of `fit` begins, before anything is restored.

        Args:
            progress: A `Progress`, with the epoch that it begins with.
        """

    def end_epoch(self, progress):
        """Called at the end of every epoch, before other callbacks.

        Args:
            progress: A `Progress`.
        """

    def after_update(self, context):
        """Called in the graph after every update of the weights.

        Replicas may reduce here.

        Args:
            context: The update's `Context`.
        """

    def get_config(self):
        """Returns the constructor's arguments as a dict of plain values."""
        return {}

    def get_build_config(self):
        """Returns None: the model builds its parts."""

    def build_from_config(self, config):
        """Does nothing: the model builds its parts."""


def named_after(kind):
    """Returns the name of a class in snake case.

    Args:
        kind: A class.
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__).lower()


def overrides(part, hook):
    """Whether a part has a hook of its own.

    Args:
        part: A `Part`.
        hook: Name of a method of `Part`.

    Returns:
        A bool.
    """
    return getattr(type(part), hook) is not getattr(Part, hook)


def check(kind, part, base, example):
    """Refuses what is no part of a kind.

    Args:
        kind: The argument that it was given as.
        part: What was given.
        base: The class that it must be an instance of.
        example: How one is made, for the message.

    Raises:
        ValueError: If it is none.
    """
    if isinstance(part, base):
        return
    got = f"the class {part.__name__}" if isinstance(part, type) else repr(part)
    raise ValueError(
        f"`{kind}` takes a name or an instance of {base.__name__} such as "
        f"{example}; got {got}."
    )
