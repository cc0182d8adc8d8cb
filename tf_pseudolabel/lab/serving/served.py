"""A SavedModel, opened to be asked."""

import functools
import hashlib
import pathlib

import numpy as np
import tensorflow as tf

from tf_pseudolabel.lab.data.files import shown
from tf_pseudolabel.lab.errors import InputError, reason_of
from tf_pseudolabel.lab.serving import about

SIGNATURE = "serving_default"
OUTPUTS = ("probabilities", "label", "confidence")
_REMEDY = (
    "give the directory that bin/train printed, or a SavedModel of "
    "tpl.serving.with_labels"
)


class Served:
    """A classifier that answers with names.

    It is loaded when it is first asked; what is pickled is its path.

    Args:
        path: A run directory, or a SavedModel.

    Raises:
        InputError: If there is no SavedModel.

    Attributes:
        path: Of the SavedModel, a `pathlib.Path`.
        about: What it says of itself, an `About`; None: nothing.
    """

    def __init__(self, path):
        self.path = _directory(path)
        self.about = about.read(self.path)

    def __getstate__(self):
        return {"path": self.path, "about": self.about}

    @functools.cached_property
    def fingerprint(self):
        """A hex digest of its files: another model has another."""
        digest = hashlib.blake2b(digest_size=16)
        for file in sorted(self.path.rglob("*")):
            # TensorFlow's own has a random number.
            if file.is_file() and file.name != "fingerprint.pb":
                digest.update(file.relative_to(self.path).as_posix().encode())
                digest.update(hashlib.blake2b(file.read_bytes()).digest())
        return digest.hexdigest()

    @functools.cached_property
    def inputs(self):
        """A dict from names of inputs to the `tf.TensorSpec` of a batch."""
        _, inputs = self._signature.structured_input_signature
        return inputs

    def answer(self, inputs):
        """Asks for a batch.

        Args:
            inputs: A dict from names of inputs to arrays `(n, ...)`.

        Returns:
            A dict: `probabilities` `(n, classes)` float32, `label` `(n,)` str
            objects, `confidence` `(n,)` float32.
        """
        found = self._signature(
            **{
                name: tf.constant(x, self.inputs[name].dtype)
                for name, x in inputs.items()
            }
        )
        labels = [label.decode() for label in found["label"].numpy().tolist()]
        return {
            "probabilities": found["probabilities"].numpy(),
            "label": np.array(labels, object),
            "confidence": found["confidence"].numpy(),
        }

    @functools.cached_property
    def _signature(self):
        try:
            # Else its functions are gone.
            self._loaded = tf.saved_model.load(self.path)
        except (OSError, ValueError, tf.errors.OpError) as error:
            raise InputError(
                f"{shown(self.path)} must hold a SavedModel; got: "
                f"{reason_of(error)}; export it again"
            ) from error
        signature = self._loaded.signatures.get(SIGNATURE)
        outputs = signature and signature.structured_outputs
        if not outputs or not {*OUTPUTS} <= outputs.keys():
            raise InputError(
                f"{SIGNATURE} of a SavedModel must give {', '.join(OUTPUTS)}; "
                f"got {', '.join(sorted(outputs or ())) or 'no such signature'}"
                f" in {shown(self.path)}; {_REMEDY}"
            )
        _check_answers(outputs, self.path)
        return signature


def _check_answers(outputs, path):
    if outputs["label"].shape.rank != 1:
        raise InputError(
            "a model must give one label per row; got labels of shape "
            f"{outputs['label'].shape} in {shown(path)}; apply it in Python"
        )


def _directory(path):
    """The directory of a SavedModel, also of a run or of versions."""
    path = pathlib.Path(path)
    versions = [x for x in _folders(path) if x.name.isdecimal()]
    versions.sort(key=lambda x: int(x.name))
    for place in (path, path / "saved_model", *versions[-1:]):
        if (place / "saved_model.pb").exists():
            return place
    problem = "there is none"
    if (path / "recipe.json").exists():
        problem = "the run is not finished"
    raise InputError(
        f"a model must be a SavedModel or a run directory with one; got "
        f"{shown(path)} ({problem}); {_REMEDY}"
    )


def _folders(path):
    try:
        return [x for x in path.iterdir() if x.is_dir()]
    except OSError:
        return []
