"""Another network, as it is."""

import keras

from tf_pseudolabel.labels.teachers.teacher import Teacher


class Frozen(Teacher):
    """Another classifier, which does not learn any more.

    In inference mode. The teacher may be a network of another kind than the
    student, a smaller one for example (Xie et al., "Self-training with Noisy
    Student improves ImageNet classification", CVPR 2020); its scores are read
    as the student's are, by the compiled loss and by its own last activation.
    It is saved with the model.

    Args:
        classifier: A built `keras.Model` from the inputs to scores of the same
            classes. It is frozen: its `trainable` becomes False.
        name: Name of the layer.

    Raises:
        ValueError: If it is no `keras.Model`, or not built.
    """

    traced_attributes = ("classifier",)

    def __init__(self, classifier, name=None):
        super().__init__(name=name)
        if not isinstance(classifier, keras.Model) or not classifier.built:
            raise ValueError(
                "A frozen teacher must be a keras.Model that is built; got "
                f"{classifier!r}. Train it, or load a trained one."
            )
        classifier.trainable = False
        self.classifier = classifier

    def build(self, spec):
        """Checks that teacher and student go together; see `Part.build`.

        Raises:
            ValueError: If they are one network, or tell other classes apart.
        """
        if spec.classifier is self.classifier:
            raise ValueError(
                "A frozen teacher is another network than the one that it "
                "teaches; got the same one twice. Use the teacher 'lagged', or "
                "keras.models.clone_model(...) for the student."
            )
        scores, own = map(_classes, (spec.classifier, self.classifier))
        if None not in (scores, own) and scores != own:
            raise ValueError(
                "Teacher and student must have a score for the same classes; "
                f"got {own} scores of the teacher and {scores} of the student."
            )

    def label(self, classifier, x):
        """Makes the scores by the teacher; see `Teacher.label`."""
        return self.classifier(x, training=False)

    def get_config(self):
        """Returns the constructor's arguments, serialized."""
        return {
            "classifier": keras.saving.serialize_keras_object(self.classifier)
        }

    @classmethod
    def from_config(cls, config):
        """Makes the teacher that `get_config` described."""
        classifier = keras.saving.deserialize_keras_object(config["classifier"])
        return cls(classifier)


def _classes(classifier):
    """How many scores a network gives; None where only a call would tell."""
    outputs = getattr(classifier, "outputs", None) or [None]
    return getattr(outputs[0], "shape", [None])[-1]
