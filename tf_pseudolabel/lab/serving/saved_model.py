"""The SavedModel of a run: raw inputs in, names of classes out."""

import dataclasses
import re

import keras
import tensorflow as tf

from tf_pseudolabel import serving
from tf_pseudolabel.lab.serving.about import About, Column

# How Keras calls inputs that nobody has named: by a number that depends on what
# else the process has made.
_UNNAMED = re.compile(r"(keras_tensor|input_layer)(_\d+)?")


def write(classifier, encoding, kind, class_names, output, path):
    """Writes a SavedModel that needs TensorFlow alone.

    The signature `serving_default` takes raw inputs: images, strings, one input
    per column, under its name with `_` for all but letters and digits, and one
    without a name under that of the kind. Where
    inputs come in files of their own, `raw` takes their contents. Both
    give `probabilities`, `label` and `confidence`. What else is known of them,
    `about.read` reads.

    Args:
        classifier: A `keras.Model` from encoded rows to logits.
        encoding: The `Encoding` of the rows.
        kind: Their `Kind`.
        class_names: Strings, in the order of the logits.
        output: `"softmax"` or `"sigmoid"`.
        path: The directory to write.
    """
    model = serving.with_labels(classifier, class_names, encoding.model, output)
    archive = keras.export.ExportArchive()
    # Lookup tables would be lost otherwise.
    archive.track(model)
    specs = specs_of(model, kind.name)
    archive.add_endpoint("serve", model.call, input_signature=[specs])
    decode = kind.decoder()
    if decode is not None:
        contents = tf.TensorSpec((None,), tf.string, name="files")
        archive.add_endpoint(
            "raw",
            lambda files: model(decode(files)),
            input_signature=[contents],
        )
    archive.write_out(path, verbose=False)
    columns = tuple(_columns(kind, model, specs))
    names = tuple(map(str, class_names))
    About(names, kind.name, columns, kind.resize).write(path)


def as_in_training(encoding, classifier):
    """An encoding whose rows keep their dtype when they are served.

    Keras casts bytes for a network that takes floats; without this, its
    signature would ask for floats, and not say of which range.

    Args:
        encoding: The `Encoding` of the rows.
        classifier: A `keras.Model` of what it gives.

    Returns:
        The same, or one that casts, if the classifier has a dtype of its own.
    """
    given, inputs = encoding.spec, getattr(classifier, "inputs", None) or []
    is_one = isinstance(given, tf.TensorSpec) and len(inputs) == 1
    if encoding.model is not None or not is_one:
        return encoding
    (taken,) = inputs
    if taken.dtype == given.dtype.name:
        return encoding
    rows = keras.Input(given.shape, dtype=given.dtype.name, name=taken.name)
    cast = keras.Model(rows, keras.ops.cast(rows, taken.dtype))
    return dataclasses.replace(encoding, model=cast)


def _columns(kind, model, specs):
    found = kind.columns(tf.nest.map_structure(_row, model.input))
    if not found:
        return
    # TensorFlow flattens a dict in the order of its keys.
    inputs = tf.nest.flatten(specs)
    for (name, holds), given in zip(sorted(found.items()), inputs, strict=True):
        yield Column(name, given.name, holds)


def _row(tensor):
    return tf.TensorSpec(tensor.shape[1:], tensor.dtype)


def specs_of(model, unnamed):
    """What a signature takes, under names that TensorFlow admits.

    Args:
        model: A `keras.Model` that knows its inputs.
        unnamed: What a single input is called that has no name.

    Returns:
        `tf.TensorSpec` with names, nested as the model's inputs.
    """
    taken = set()

    def spec(path, tensor):
        name = tensor.name
        if _UNNAMED.fullmatch(name):
            name = "_".join(map(str, path)) or unnamed
        name = re.sub(r"\W", "_", name, flags=re.ASCII)
        if not name[0].isalpha():
            name = f"column_{name}"
        while name in taken:
            name += "_"
        taken.add(name)
        return tf.TensorSpec(tensor.shape, tensor.dtype, name=name)

    given = keras.tree.flatten_with_path(model.input)
    found = [spec(path, tensor) for path, tensor in given]
    return keras.tree.pack_sequence_as(model.input, found)
