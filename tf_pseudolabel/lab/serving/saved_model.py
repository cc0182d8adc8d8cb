"""The SavedModel of a run: raw inputs in, names of classes out."""

import re

import keras
import tensorflow as tf

from tf_pseudolabel import serving
from tf_pseudolabel.lab.serving.about import About, Column


def write(classifier, encoding, kind, class_names, output, path):
    """Writes a SavedModel that needs TensorFlow alone.

    The signature `serving_default` takes raw inputs: images, strings, one input
    per column, under its name with `_` for all but letters and digits. Where
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
    specs = _specs(model)
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


def _specs(model):
    """What the signature takes, under names that TensorFlow admits."""
    taken = set()

    def spec(tensor):
        name = re.sub(r"\W", "_", tensor.name, flags=re.ASCII)
        if not name[0].isalpha():
            name = f"column_{name}"
        while name in taken:
            name += "_"
        taken.add(name)
        return tf.TensorSpec(tensor.shape, tensor.dtype, name=name)

    return tf.nest.map_structure(spec, model.input)
