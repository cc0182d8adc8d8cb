import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_pseudolabel.lab import networks
from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.networks import applications

GREY = tf.TensorSpec((32, 32, 1), tf.uint8)
NAMES = sorted(n for n in vars(keras.applications) if n[0].isupper())


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(0)
    return networks.build("MobileNetV3Small", GREY, 5, dropout=0.3)


def _images(channels=1, rows=3):
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (rows, 32, 32, channels), dtype=np.uint8)


def test_raw_grey_images_in_logits_out(small, tmp_path):
    logits = small(_images())
    assert logits.shape == (3, 5)
    assert small.get_layer("backbone").input_shape == (None, 32, 32, 3)
    small.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(_images()), logits, atol=1e-6)


def test_grey_is_each_colour(small):
    colour = networks.build(
        "MobileNetV3Small", tf.TensorSpec((32, 32, 3), tf.uint8), 5
    )
    colour.set_weights(small.get_weights())
    np.testing.assert_allclose(
        colour(np.repeat(_images(), 3, axis=-1)), small(_images()), atol=1e-6
    )


class _Stand(keras.Sequential):
    """In place of a network: it gives the pixels that it gets."""

    def __init__(self, **arguments):
        super().__init__([keras.Input(arguments["input_shape"])])
        self.add(keras.layers.Flatten())


@pytest.mark.parametrize(
    ("name", "black", "white"),
    [
        ("MobileNetV3Small", 0, 255),  # Rescales inside.
        ("EfficientNetB0", 0, 255),
        ("MobileNetV2", -1, 1),
        ("DenseNet121", -0.485 / 0.229, (1 - 0.485) / 0.229),
        ("ResNet50", -103.939, 255 - 103.939),  # The first is blue.
    ],
)
def test_what_a_backbone_sees(name, black, white, monkeypatch, tmp_path):
    stand = type(name, (_Stand,), {"__module__": _of(name).__module__})
    monkeypatch.setattr(keras.applications, name, stand)
    model = applications.build(name, GREY, 2, dropout=0.0, max_value=51.0)
    pixels = keras.Model(model.inputs, model.layers[-2].output)
    image = np.zeros((1, 32, 32, 1), np.uint8)
    image[0, 0, 0] = 51
    seen = np.asarray(pixels(image))[0]
    assert seen[0] == pytest.approx(white, rel=1e-5)
    assert seen[3] == pytest.approx(black, rel=1e-5)


def _of(name):
    return getattr(keras.applications, name)


@pytest.mark.parametrize("name", NAMES)
def test_every_application_has_its_preprocessing(name):
    module = applications.module_of(_of(name))
    assert module.__name__.startswith("keras")
    assert callable(module.preprocess_input)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((8, 40, 3), r"no images of 8x40 pixels: .*32x32.*image_size\.$"),
        ((32, 32, 4), "1 or 3 channels; got 4"),
        ((32, 32), "reads images"),
    ],
)
def test_images_that_it_cannot_take(shape, message):
    spec = tf.TensorSpec(shape, tf.uint8)
    with pytest.raises(InputError, match=message):
        networks.build("MobileNetV3Small", spec, 3)


def test_weights_that_cannot_be_downloaded(monkeypatch):
    def refuses(**arguments):
        assert arguments["weights"] == "imagenet"
        raise Exception("URL fetch failure on https://...: None -- no route")

    refuses.__module__ = "keras.src.applications.mobilenet_v3"
    monkeypatch.setattr(keras.applications, "MobileNetV3Small", refuses)
    with pytest.raises(InputError, match="downloaded: URL fetch failure"):
        networks.build("MobileNetV3Small", GREY, 3, weights="imagenet")


def test_weights_are_loaded_and_frozen(small, tmp_path):
    """As Keras gives them: of the backbone alone, in its older form."""
    small.get_layer("backbone").save_weights(tmp_path / "b.weights.h5")
    loaded = networks.build(
        "MobileNetV3Small",
        GREY,
        2,
        weights=str(tmp_path / "b.weights.h5"),
        freeze="all",
    )
    assert len(loaded.trainable_variables) == 2
    for a, b in zip(
        loaded.get_layer("backbone").get_weights(),
        small.get_layer("backbone").get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_only_a_download_is_called_one(monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("a bug")

    monkeypatch.setattr(keras.applications, "MobileNetV3Small", broken)
    spec = tf.TensorSpec((32, 32, 3), tf.uint8)
    with pytest.raises(RuntimeError, match="a bug"):
        networks.build("MobileNetV3Small", spec, 3)
    with pytest.raises(InputError, match="could not be downloaded: a bug"):
        networks.build("MobileNetV3Small", spec, 3, weights="imagenet")
