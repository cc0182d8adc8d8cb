"""The formats a classifier is exported to: who writes and who reads them."""

import dataclasses
import importlib.util
import shutil
import typing

import keras
import numpy as np
import tensorflow as tf

from tf_pseudolabel import compat
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.serving import saved_model

# The one output of files that hold numbers alone.
_PROBABILITIES = "probabilities"


@dataclasses.dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        name: As the user calls it.
        title: As it calls itself.
        suffix: Of its file; None: it is a directory for each version.
        packages: What writes and reads it, besides TensorFlow.
        strings: Whether it holds strings: as inputs, and names of classes.
        tolerance: How far its probabilities may be from the classifier's.
        write: Callable of a `Trained` and a path.
        open: Callable of a path and the names of inputs, in order; returns a
            callable from a list of arrays `(n, ...)` in that order to
            probabilities `(n, classes)`.
    """

    name: str
    title: str
    suffix: str | None
    packages: tuple[str, ...]
    strings: bool
    tolerance: float
    write: typing.Callable
    open: typing.Callable

    @property
    def remedy(self):
        """What to do where it cannot hold a classifier: a sentence."""
        return (
            "Run bin/train again: files of the run do not belong together."
            if self.strings
            else "Use --format=saved_model."
        )

    def check_packages(self):
        """Refuses to begin without what writes and reads the format.

        Raises:
            InputError: If a package is missing.
        """
        missing = [p for p in self.packages if not importlib.util.find_spec(p)]
        if missing:
            raise InputError(
                f"--format={self.name} needs packages; missing: "
                f"{', '.join(missing)}. Run pip install "
                '"tf_pseudolabel[export]".'
            )


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """What a run has to export.

    Attributes:
        model: A `keras.Model` from raw inputs to what
            `tf_pseudolabel.serving.Answer` returns.
        saved_model: Path of the same as `saved_model.write` wrote it.
        about: The `About` of that.
    """

    model: keras.Model
    saved_model: typing.Any
    about: typing.Any

    def specs(self):
        """`saved_model.specs_of` the model."""
        return saved_model.specs_of(self.model, self.about.kind)


def of_numbers(trained):
    """A model that computes in float32, from numbers to probabilities alone.

    Args:
        trained: A `Trained`; its layers are changed in place.

    Returns:
        A pair: a `keras.Model` of a dict of the inputs by their names in the
        signature, and what `keras.Model.export` takes as its signature.
    """
    for layer in compat.layers_in(trained.model):
        # These formats know few operations in half precision, or none.
        layer.dtype_policy = "float32"
        if isinstance(layer, keras.layers.Normalization) and layer.built:
            # Else ONNX takes its tensors for inputs.
            layer.mean = np.asarray(layer.mean)
            layer.variance = np.asarray(layer.variance)
    specs = tf.nest.flatten(trained.specs())
    # In the order in which TensorFlow flattens it, as OpenVINO's names are.
    named = {x.name: x for x in sorted(specs, key=lambda x: x.name)}
    inputs = {
        name: keras.Input(x.shape[1:], dtype=x.dtype.name, name=name)
        for name, x in named.items()
    }
    given = [inputs[x.name] for x in specs]
    answer = trained.model(tf.nest.pack_sequence_as(trained.model.input, given))
    found = {_PROBABILITIES: answer[_PROBABILITIES]}
    return keras.Model(inputs, found), [named]


def _copy(trained, path):
    shutil.copytree(trained.saved_model, path)


def _open_saved_model(path, names):
    signature = tf.saved_model.load(path).signatures["serving_default"]

    def answer(arrays):
        given = zip(names, map(tf.constant, arrays), strict=True)
        return signature(**dict(given))[_PROBABILITIES].numpy()

    return answer


def _save(trained, path):
    trained.model.save(path)


def _open_keras(path, names):
    model = keras.saving.load_model(path, compile=False, safe_mode=True)

    @tf.function
    def probabilities(inputs):
        return model(inputs, training=False)[_PROBABILITIES]

    def answer(arrays):
        given = tf.nest.pack_sequence_as(model.input, arrays)
        return probabilities(tf.nest.map_structure(tf.constant, given)).numpy()

    return answer


def _exported(format, **options):
    """What writes a format by Keras' own exporter."""

    def write(trained, path):
        model, signature = of_numbers(trained)
        model.export(
            path,
            format=format,
            verbose=False,
            input_signature=signature,
            **options,
        )

    return write


def _open_onnx(path, names):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)

    def answer(arrays):
        given = dict(zip(names, arrays, strict=True))
        return session.run([_PROBABILITIES], given)[0]

    return answer


def _open_litert(path, names):
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(path).get_signature_runner()

    def answer(arrays):
        return runner(**dict(zip(names, arrays, strict=True)))[_PROBABILITIES]

    return answer


def _open_openvino(path, names):
    import openvino

    # Else it computes in bfloat16 where the processor has that.
    model = openvino.Core().compile_model(
        path, config={"INFERENCE_PRECISION_HINT": "f32"}
    )

    def answer(arrays):
        return model(dict(zip(names, arrays, strict=True)))[_PROBABILITIES]

    return answer


# Else Keras admits operations that the interpreter alone does not have.
_BUILTINS = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}

FORMATS = {
    row.name: row
    for row in (
        Format(
            "saved_model",
            "A SavedModel",
            None,
            (),
            True,
            1e-6,
            _copy,
            _open_saved_model,
        ),
        Format(
            "keras",
            "A .keras file",
            ".keras",
            (),
            True,
            1e-6,
            _save,
            _open_keras,
        ),
        Format(
            "onnx",
            "ONNX",
            ".onnx",
            ("tf2onnx", "onnx", "onnxruntime"),
            False,
            1e-4,
            _exported("onnx"),
            _open_onnx,
        ),
        Format(
            "litert",
            "LiteRT",
            ".tflite",
            ("ai_edge_litert",),
            False,
            1e-4,
            _exported("litert", target_spec=_BUILTINS),
            _open_litert,
        ),
        Format(
            "openvino",
            "OpenVINO",
            ".xml",
            ("openvino",),
            False,
            1e-4,
            _exported("openvino"),
            _open_openvino,
        ),
    )
}
