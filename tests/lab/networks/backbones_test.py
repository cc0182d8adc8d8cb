import keras
import numpy as np
import pytest
from keras import layers

from tf_pseudolabel.lab.errors import InputError
from tf_pseudolabel.lab.networks import backbones


def _network(classes=3, seed=0, units=5):
    keras.utils.set_random_seed(seed)
    backbone = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(units),
            layers.BatchNormalization(),
            layers.Dense(2),
        ],
        name="backbone",
    )
    return keras.Sequential(
        [keras.Input((4,)), backbone, layers.Dense(classes)], name="mine"
    )


def _plain():
    return keras.Sequential([keras.Input((4,)), layers.Dense(3)], name="plain")


def _assert_same(model, other):
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def _save(model, path):
    save = model.save if path.suffix == ".keras" else model.save_weights
    save(path)
    return str(path)


@pytest.mark.parametrize("name", ["w.keras", "w.weights.h5"])
def test_weights_of_a_whole_network(name, tmp_path):
    path = _save(_network(seed=1), tmp_path / name)
    network = _network(seed=2)
    backbones.load_weights(network, path)
    _assert_same(network, _network(seed=1))


@pytest.mark.parametrize("name", ["w.keras", "w.weights.h5"])
def test_weights_of_a_backbone(name, tmp_path):
    path = _save(_network(seed=1).layers[0], tmp_path / name)
    network = _network(seed=2)
    backbones.load_weights(network, path)
    _assert_same(network.layers[0], _network(seed=1).layers[0])
    _assert_same(network.layers[1], _network(seed=2).layers[1])


def test_the_backbone_of_a_network_for_other_classes(tmp_path):
    path = _save(_network(classes=7, seed=1), tmp_path / "w.keras")
    network = _network(seed=2)
    backbones.load_weights(network, path)
    _assert_same(network.layers[0], _network(seed=1).layers[0])
    _assert_same(network.layers[1], _network(seed=2).layers[1])


def test_weights_of_a_network_without_backbone(tmp_path):
    saved, network = _plain(), _plain()
    path = _save(saved, tmp_path / "w.keras")
    backbones.load_weights(network, path)
    _assert_same(network, saved)


@pytest.mark.parametrize("name", ["w.keras", "w.weights.h5"])
def test_weights_that_do_not_fit(name, tmp_path):
    path = _save(_network(units=6), tmp_path / name)
    with pytest.raises(InputError, match=r"mine or of its backbone.*fit") as e:
        backbones.load_weights(_network(), path)
    assert path in str(e.value)
    assert "\n" not in str(e.value)
    with pytest.raises(InputError, match="weights of plain; "):
        backbones.load_weights(_plain(), path)


@pytest.mark.parametrize("name", ["w.keras", "w.weights.h5", "w.h5"])
def test_files_without_weights(name, tmp_path):
    path = tmp_path / name
    with pytest.raises(InputError, match="file that exists; got /"):
        backbones.load_weights(_network(), str(path))
    path.write_text("no weights")
    with pytest.raises(InputError, match=r"h5 file that exists; got .*py"):
        backbones.load_weights(_network(), __file__)
    with pytest.raises(InputError, match="does not fit: "):
        backbones.load_weights(_network(), str(path))


@pytest.mark.parametrize(
    ("amount", "trainable"),
    [("all", 0), ("0", 6), ("1", 4), ("2", 2), ("3", 0), (1, 4)],
)
def test_how_much_is_frozen(amount, trainable):
    network = _network()
    backbones.freeze(network, amount)
    assert len(network.layers[0].trainable_variables) == trainable
    assert len(network.trainable_variables) == trainable + 2


def test_frozen_batch_normalization_goes_on_as_in_inference():
    network = _network()
    backbones.freeze(network, "all")
    before = network.layers[0].get_weights()
    x = np.random.default_rng(0).normal(3, 2, (8, 4)).astype("float32")
    trained = network(x, training=True)
    np.testing.assert_array_equal(trained, network(x, training=False))
    for a, b in zip(before, network.layers[0].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_more_layers_than_there_are():
    with pytest.raises(InputError, match="backbone's layers, 3; got 4"):
        backbones.freeze(_network(), "4")


def test_networks_without_a_backbone():
    with pytest.raises(InputError, match="called backbone; got plain without"):
        backbones.freeze(_plain(), "all")
