import inspect
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab import networks
from tf_pseudolabel.lab.errors import InputError

IMAGE = tf.TensorSpec((6, 5, 2), tf.float32)
SPECS = {
    "conv": IMAGE,
    "mlp": IMAGE,
    "strided_conv": IMAGE,
    "norm_conv": IMAGE,
    "table_mlp": tf.TensorSpec((9,), tf.float32),
    "text_conv": tf.TensorSpec((9,), tf.int32),
}
# What the lab may say of data and recipe; networks take what they name.
OPTIONS = {
    "hidden_units": 3,
    "dropout": 0.1,
    "max_value": 1.0,
    "input_scale": 1.0,
    "vocabulary_size": 7,
}


def _rows(spec, rows=7):
    generator = np.random.default_rng(0)
    shape = (rows, *spec.shape)
    if spec.dtype.is_integer:
        return generator.integers(0, 7, shape)
    return generator.random(shape, np.float32)


def _built(name, seed=0):
    keras.utils.set_random_seed(seed)
    return networks.build(name, SPECS[name], 4, **OPTIONS)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_networks_share_one_contract(name, tmp_path):
    model, rows = _built(name), _rows(SPECS[name])
    logits = model(rows)
    assert logits.shape == (7, 4)
    assert logits.dtype == "float32"
    assert model.inputs[0].dtype == SPECS[name].dtype.name
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(rows), logits)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_initial_weights_are_a_function_of_the_seed(name):
    first, again, other = (_built(name, s).get_weights() for s in (1, 1, 2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_options_are_read_as_python_reads_them(name):
    module = f"tf_pseudolabel.lab.networks.{name}"
    named = inspect.signature(sys.modules[module].build).parameters
    assert networks.parameters(name) == set(named)


@pytest.mark.parametrize("name", ["conf", "mobilenet", "", "my.py", "a b", "1"])
def test_names_of_no_network(name):
    with pytest.raises(
        InputError, match=r"network is one of conv, mlp, .*got "
    ):
        networks.check_name(name)


@pytest.mark.parametrize(
    "name", ["conv", "ResNet50", "my.py:build", "~/a b/my.py:build", "a.b:c"]
)
def test_names_of_networks(name):
    networks.check_name(name)


def test_an_unknown_application_is_refused_when_it_is_built():
    networks.check_name("MobilNetV3Smal")
    with pytest.raises(InputError, match="Did you mean MobileNetV3Small"):
        networks.build("MobilNetV3Smal", IMAGE, 3)


@pytest.mark.parametrize("name", ["conv", "text_conv"])
def test_imagenet_is_for_applications(name):
    with pytest.raises(InputError, match=f"got network={name}"):
        networks.build(name, SPECS[name], 3, weights="imagenet")


def test_names_need_no_tensorflow(tmp_path):
    """Nor is a user's file executed."""
    file = tmp_path / "my.py"
    file.write_text("1 / 0\ndef build(spec, num_classes, width=3): ...\n")
    program = f"""
import sys
from tf_pseudolabel.lab import networks
networks.check_name("conv")
assert "dropout" in networks.parameters("ResNet50")
assert "width" in networks.parameters({f"{file}:build"!r})
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
