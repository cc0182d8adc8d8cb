import keras
import pytest

from tf_pseudolabel.lab.data.preprocessing import float32_on_cpu


def test_layers_are_of_float32_on_the_cpu_and_the_policy_comes_back():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        with pytest.raises(RuntimeError), float32_on_cpu():
            layer = keras.layers.Normalization(mean=[1.0], variance=[4.0])
            weight = keras.Variable([1.0])
            raise RuntimeError
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert layer.compute_dtype == "float32"
    assert "CPU:0" in weight.value.device
