"""A part of every kind, from outside the package: what a user writes."""

import keras
import tensorflow as tf

import tf_pseudolabel as tpl
from tf_pseudolabel.labels.alignments import Alignment
from tf_pseudolabel.labels.selections import Selection
from tf_pseudolabel.labels.targets import Target
from tf_pseudolabel.labels.teachers import Teacher
from tf_pseudolabel.losses import Term
from tf_pseudolabel.part import Number


@tpl.register("teacher", "averaged_two", help="old and new", says="of two")
class AveragedTwo(Teacher):
    """The mean of the network's weights and of a slow copy of its bias."""

    def build(self, spec):
        self.slow = self.state("slow", (spec.classes,))

    def label(self, classifier, x):
        return classifier(x, training=False) + self.slow.value

    def after_update(self, context):
        bias = tf.cast(context.classifier.layers[-1].bias.value, tf.float32)
        self.slow.assign(0.5 * self.slow.value + 0.5 * bias)


@tpl.register("alignment", "to_uniform", help="even classes", says="aligned")
class ToUniform(Alignment):
    """Divides by the running mean of what was believed, moved before use."""

    def build(self, spec):
        self.mean = self.state("mean", (spec.classes,), 1 / spec.classes)

    def probabilities(self, context, probabilities):
        total, rows = context.over_replicas(
            (
                tf.reduce_sum(probabilities, axis=0),
                tf.cast(tf.shape(probabilities)[0], tf.float32),
            )
        )
        self.mean.assign(0.9 * self.mean.value + 0.1 * total / rows)
        return self.align(probabilities)

    def align(self, probabilities):
        aligned = probabilities / self.mean.value
        return aligned / tf.reduce_sum(aligned, axis=-1, keepdims=True)


@tpl.register(
    "selection",
    "above_mean",
    help="surer than usual",
    flags=[
        tpl.Flag("usual", 0.9, "above_mean: memory", least=0, most=1),
        tpl.Flag("mean"),
    ],
    says="rows count by how much surer they are than usual ({usual:g})",
)
class AboveMean(Selection):
    """Weighs rows by their confidence over the usual one, moved after use."""

    usual = Number()

    def __init__(self, usual=0.9, mean="all", name=None):
        super().__init__(mean, name)
        self.usual = usual

    def build(self, spec):
        self.confidence = self.state("confidence", initial=1 / spec.classes)

    def row_weights(self, context, beliefs):
        return tf.minimum(beliefs.confidence / self.confidence.value, 1.0)

    def after_update(self, context):
        if context.beliefs is None:
            return
        confidence = context.beliefs.confidence
        total, rows = context.over_replicas(
            (
                tf.reduce_sum(confidence),
                tf.cast(tf.size(confidence), tf.float32),
            )
        )
        usual = self.usual
        moved = usual * self.confidence.value + (1 - usual) * total / rows
        self.confidence.assign(moved)

    def get_config(self):
        return {"usual": self.usual, "mean": self.mean}


@tpl.register("target", "half_hard", help="hard and soft", says="half hard")
class HalfHard(Target):
    """The mean of one-hot labels and of the raw probabilities."""

    def labels(self, beliefs, like):
        hard = tf.one_hot(beliefs.ids, beliefs.raw.shape[-1])
        return tf.cast(0.5 * hard + 0.5 * beliefs.raw, like.dtype)


@keras.saving.register_keras_serializable("own_parts")
def louder(x):
    return tf.saturate_cast(1.5 * tf.cast(x, tf.float32), x.dtype)


@tpl.register("views", "loud", help="the student hears louder", says="loud")
class Loud(tpl.Views):
    def __init__(self, name=None):
        super().__init__(strong=louder, name=name)

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@tpl.register(
    "term",
    "agreement",
    flags=[
        tpl.Flag(
            "agreement",
            0.0,
            "weight of agreement with a pass without dropout; 0: none",
            least=0,
            argument="weight",
        )
    ],
    says="agreement weighed {agreement:g}",
)
class Agreement(Term):
    """Squared distance of the student's outputs from a pass without dropout."""

    def sums(self, context):
        other = context.forward(context.unlabeled.student, training=False)
        other = tf.stop_gradient(context.outputs(other).probabilities)
        mine = context.outputs(context.scores_u).probabilities
        distances = tf.reduce_sum(tf.square(mine - other), axis=-1)
        rows = tf.cast(context.unlabeled.count, tf.float32)
        return tf.reduce_sum(distances), rows
