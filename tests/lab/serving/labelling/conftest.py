import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab.data.kinds import Encoding, Kind
from tf_pseudolabel.lab.serving import saved_model

# What files of words may stumble over.
NAMES = ('a, "b"\n\t', "$x <i>&amp;", "日本 ü")


@pytest.fixture(scope="session")
def names():
    return NAMES


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A SavedModel of three numbers per row, for three classes."""
    keras.utils.set_random_seed(0)
    classifier = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    path = tmp_path_factory.mktemp("models") / "tiny"
    encoding = Encoding(tf.TensorSpec((3,)))
    saved_model.write(classifier, encoding, Kind(), NAMES, "softmax", path)
    return path


@pytest.fixture
def vectors(tmp_path):
    """Writes rows into a .npy file: `(name, count, seed) -> rows`."""

    def write(name="x", count=50, seed=0):
        rows = np.random.default_rng(seed).normal(size=(count, 3))
        rows = rows.astype(np.float32)
        np.save(tmp_path / f"{name}.npy", rows)
        return rows

    return write
