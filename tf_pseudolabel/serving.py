"""Classifiers that take raw inputs and answer with the names of classes."""

import collections.abc

import keras
import tensorflow as tf

from tf_pseudolabel import compat

OUTPUTS = ("softmax", "sigmoid", "probabilities")


@keras.saving.register_keras_serializable("tf_pseudolabel")
class Answer(keras.layers.Layer):
    """From scores to probabilities, the label and the confidence in it.

    Args:
        class_names: Strings, in the order of the scores; two for one score.
        output: What makes probabilities of logits: `"softmax"`, or `"sigmoid"`
            for a question per class. Scores that softmax or sigmoid has made
            already stay; where another layer came after these,
            `"probabilities"` says so.
        **kwargs: As for every Keras layer.

    Raises:
        ValueError: If the names are not those of two classes or more, occur
            twice, or `output` is unknown.
    """

    def __init__(self, class_names, output="softmax", **kwargs):
        # Casts by itself: a tensor that Keras casts forgets its activation.
        super().__init__(**{"autocast": False, **kwargs})
        self.class_names = _strings(class_names)
        if output not in OUTPUTS:
            raise ValueError(
                f"`output` is one of {', '.join(OUTPUTS)}; got {output!r}."
            )
        different = len(set(self.class_names))
        if different < 2 or different < len(self.class_names):
            raise ValueError(
                "`class_names` are the names of two classes or more, each "
                f"another; got {self.class_names}."
            )
        self.output_name = output

    def call(self, scores):
        """Answers for a batch.

        Args:
            scores: Float tensor `(batch, ..., classes)`, or `(batch, ..., 1)`
                of a binary classifier.

        Returns:
            A dict: `probabilities` `(batch, ..., classes)` float32, `label`
            `(batch, ...)` string, `confidence` `(batch, ...)` float32: the
            probability of the label.
        """
        probabilities = self._probabilities(scores)
        names = tf.constant(self.class_names)
        return {
            "probabilities": probabilities,
            "label": tf.gather(names, tf.argmax(probabilities, axis=-1)),
            "confidence": tf.reduce_max(probabilities, axis=-1),
        }

    def _probabilities(self, scores):
        activated = (
            self.output_name == "probabilities"
            or compat.logits_behind(scores) is not None
        )
        scores = tf.cast(scores, tf.float32)
        if scores.shape[-1] == 1:
            p = scores if activated else tf.sigmoid(scores)
            return tf.concat([1 - p, p], axis=-1)
        if activated:
            return scores
        sigmoid = self.output_name == "sigmoid"
        return tf.sigmoid(scores) if sigmoid else tf.nn.softmax(scores)

    def compute_output_spec(self, scores):
        """Shapes and dtypes of `call`; Keras cannot trace strings."""
        classes = len(self.class_names)
        if scores.shape[-1] not in (classes, 1) or classes < scores.shape[-1]:
            raise ValueError(
                "There must be a class name for every score; got "
                f"{classes} names for scores {tuple(scores.shape)}."
            )
        positions = scores.shape[:-1]
        return {
            "probabilities": keras.KerasTensor((*positions, classes)),
            "label": keras.KerasTensor(positions, dtype="string"),
            "confidence": keras.KerasTensor(positions),
        }

    def get_config(self):
        """Returns the constructor's arguments."""
        config = super().get_config()
        names = self.class_names
        return config | {"class_names": names, "output": self.output_name}


def with_labels(classifier, class_names, preprocessing=None, output="softmax"):
    """Makes a classifier that answers with names.

    Args:
        classifier: A built `keras.Model` of scores: logits, unless it ends in
            softmax or sigmoid.
        class_names: Strings, in the order of the scores. For one score (binary)
            the names of 0 and 1.
        preprocessing: A `keras.Model` from raw inputs to what the classifier
            takes, such as one around `keras.layers.TextVectorization`. Defaults
            to none.
        output: As for `Answer`.

    Returns:
        A `keras.Model` from raw inputs to a dict: `probabilities`
        `(batch, classes)`, `label` `(batch,)` string, `confidence` `(batch,)`.
        `export` makes a SavedModel of it that needs TensorFlow alone.

    Raises:
        ValueError: If the names do not fit the scores, or the model does not
            say what its inputs are.

    Example:
    >>> import keras, tf_pseudolabel as tpl
    >>> classifier = keras.Sequential([keras.Input((2,)), keras.layers.ReLU()])
    >>> model = tpl.serving.with_labels(classifier, ["cat", "dog"])
    >>> answer = model(keras.ops.array([[0.0, 2.0]]))
    >>> answer["label"].numpy(), round(float(answer["confidence"][0]), 3)
    (array([b'dog'], dtype=object), 0.881)
    """
    first = classifier if preprocessing is None else preprocessing
    inputs = tf.nest.map_structure(
        lambda x: keras.Input(x.shape[1:], dtype=x.dtype, name=x.name),
        _input_of(first),
    )
    encoded = inputs if preprocessing is None else preprocessing(inputs)
    if compat.end_of(classifier, encoded)[1]:
        output = "probabilities"
    # Else the policy that is in force would have its scores rounded.
    answer = Answer(class_names, output, name="answer", dtype="float32")
    return keras.Model(inputs, answer(classifier(encoded)))


def _input_of(model):
    """Nested symbolic inputs of a model that knows them."""
    found = compat.inputs_of(model)
    if found is None:
        raise ValueError(
            "A model that is served says what its inputs are; got "
            f"{type(model).__name__} without keras.Input. Wrap it: "
            "x = keras.Input(...), keras.Model(x, model(x))."
        )
    return found


def _strings(names):
    """Names of classes as strings: of an array, a tensor or bytes, too."""
    if isinstance(names, (str, bytes, collections.abc.Mapping)):
        raise ValueError(
            "`class_names` is a list of names in the order of the scores; got "
            f"{names!r}."
        )
    names = [x.numpy() if tf.is_tensor(x) else x for x in names]
    return [x.decode() if isinstance(x, bytes) else str(x) for x in names]
