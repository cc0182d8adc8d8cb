"""The average of the network over past updates."""

import contextlib

import keras
import tensorflow as tf

from tf_pseudolabel import compat
from tf_pseudolabel.labels.teachers.teacher import Teacher
from tf_pseudolabel.part import Number
from tf_pseudolabel.registry import Flag, register


def _is_decay(decay):
    if not 0 <= decay < 1:
        raise ValueError(
            f"`decay` is the share of the average that stays, in [0, 1); got "
            f"{decay:g}."
        )


@register(
    "teacher",
    "averaged",
    help="the average of the network over past updates",
    flags=[
        Flag(
            "decay",
            0.999,
            "averaged: share of the average that stays in an update",
            least=0,
            below=1,
        )
    ],
    says="made by the average of the network (decay {decay:g})",
    order=3,
)
class Averaged(Teacher):
    """An exponential moving average of the network's weights.

    After update n the average moves to `d · average + (1 - d) · weights`, with
    `d = min(decay, 1 - 1 / (n + 1))`: it follows fast at first (Tarvainen &
    Valpola, "Mean Teachers Are Better Role Models", NeurIPS 2017, and
    CuriousAI/mean-teacher, `pytorch/main.py`).

    Trainable weights are averaged, those of frozen layers, too, which may be
    trained later. Those of batch normalization that are not,
    its moving statistics, are the network's own: they are averages already, of
    which FixMatch (Sohn et al., 2020) makes no second one, either.

    As the teacher it labels in training mode, with dropout of its own and the
    statistics of the batch, as a Mean Teacher does; elsewhere (`model.label`,
    and as the `average` that a model evaluates) in inference mode.

    Args:
        decay: Float in [0, 1). May be changed while it trains. Defaults to
            0.999, as in FixMatch and, after its first 40,000 updates, in Mean
            Teacher.
        name: Name of the layer.

    Raises:
        ValueError: If the decay is outside [0, 1).
    """

    decay = Number(_is_decay)

    def __init__(self, decay=0.999, name=None):
        super().__init__(name=name)
        self.decay = decay
        self._copies = []

    def build(self, spec):
        """Makes room for the averages; see `Part.build`."""
        self._copies = self.copies_of(compat.trainable_in(spec.classifier))
        self._updates = self.state("updates")
        self._copy(spec.classifier)

    def begin(self, progress):
        """Begins with the weights as they are, unless there is an average."""
        self.follow(progress.classifier)

    def follow(self, classifier):
        """Takes the weights, as long as there was no update; see `Teacher`."""
        if not float(self._updates.numpy()):
            self._copy(classifier)

    def _copy(self, classifier):
        for copy, variable in self._pairs(classifier):
            copy.assign(variable)

    def after_update(self, context):
        """Moves the average; see `Part.after_update`."""
        self._updates.assign_add(1.0)
        young = 1.0 - 1.0 / (self._updates.value + 1.0)
        decay = tf.minimum(self.decay, young)
        for copy, variable in self._pairs(context.classifier):
            moved = tf.cast(variable.value, copy.dtype) - copy.value
            copy.assign_add(moved * tf.cast(1.0 - decay, copy.dtype))

    def scores_of(self, context, x):
        """Makes the scores in training mode; see `Teacher.scores_of`."""
        return context.passed(
            lambda rows: self._passed(context.classifier, rows, training=True),
            x,
        )

    def label(self, classifier, x):
        """Makes the scores in inference mode; see `Teacher.label`."""
        return self._passed(classifier, x, training=False)

    def _passed(self, classifier, x, training):
        pairs = [(v, copy) for copy, v in self._pairs(classifier)]
        with keras.StatelessScope(pairs) as scope:
            scores = classifier(x, training=training)
        if training:
            # Else the student would draw the dropout masks of the teacher.
            for seed in _seeds_in(classifier):
                seed.assign(scope.get_current_value(seed))
        return scores

    @contextlib.contextmanager
    def in_place(self, classifier):
        """Puts the averages in the place of the weights, for a while.

        Args:
            classifier: The `keras.Model` under training.
        """
        before = classifier.get_weights()
        self.assign_to(classifier)
        try:
            yield
        finally:
            classifier.set_weights(before)

    def assign_to(self, classifier):
        """Gives a network the averages for good, at the end of its training.

        Args:
            classifier: The `keras.Model` under training.
        """
        for copy, variable in self._pairs(classifier):
            variable.assign(copy)

    def _pairs(self, classifier):
        return zip(self._copies, compat.trainable_in(classifier), strict=True)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"decay": self.decay}


def _seeds_in(classifier):
    """The states of random numbers, which are no weights."""
    weights = {id(weight) for weight in classifier.weights}
    return [v for v in classifier.variables if id(v) not in weights]
